#include "ripieno/tools/launch/mpirun/network.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <set>

#include "ripieno/core/host_name.h"

namespace ripieno::tools {
namespace {

// Prefixes of names that container engines and hypervisors give to bridges and their ports.
constexpr const char* kBridges[] = {
    "docker", "br-",    "virbr",     "cni",  "flannel", "cali", "kube-ipvs", "veth",        "lxc",
    "lxdbr",  "podman", "tailscale", "vnet", "vmnet",   "tunl", "cilium",    "nodelocaldns"};
// Excluded also where this host has none, since others may.
constexpr const char* kUsualBridges[] = {"docker0", "virbr0", "cni0", "lxdbr0", "podman0"};

uint32_t mask_of(int bits) { return bits == 0 ? 0 : ~uint32_t{0} << (32 - bits); }

std::string network_of(const Interface& interface) {
  const uint32_t base = interface.address & mask_of(interface.prefix_bits);
  return fmt::format("{}.{}.{}.{}/{}", base >> 24, (base >> 16) & 255, (base >> 8) & 255,
                     base & 255, interface.prefix_bits);
}

bool is_loopback(uint32_t address) { return address >> 24 == 127; }

NetworkChoice without_bridges(const std::vector<Interface>& interfaces) {
  std::set<std::string> names(std::begin(kUsualBridges), std::end(kUsualBridges));
  for (const auto& interface : interfaces)
    if (is_local_bridge(interface.name)) names.insert(interface.name);
  std::string value = "127.0.0.0/8";
  for (const auto& name : names) value += "," + name;
  return {"if_exclude", value};
}

uint32_t address_of(const sockaddr* address) {
  return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
}

uint32_t resolve(const std::string& name) {
  addrinfo hints = {};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return 0;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  return address_of(found->ai_addr);
}

}  // namespace

bool is_local_bridge(const std::string& name) {
  return std::any_of(std::begin(kBridges), std::end(kBridges),
                     [&](const char* prefix) { return name.starts_with(prefix); });
}

bool is_in_network(const Interface& interface, uint32_t address) {
  const uint32_t mask = mask_of(interface.prefix_bits);
  return (interface.address & mask) == (address & mask);
}

NetworkChoice choose_network(const std::vector<Interface>& interfaces,
                             const std::vector<uint32_t>& addresses_of_hosts) {
  std::set<std::string> networks;
  for (const uint32_t address : addresses_of_hosts) {
    if (is_loopback(address)) continue;  // this host
    const auto leads = [&](const Interface& interface) {
      return !is_local_bridge(interface.name) && !is_loopback(interface.address) &&
             is_in_network(interface, address);
    };
    const auto found = std::find_if(interfaces.begin(), interfaces.end(), leads);
    if (address == 0 || found == interfaces.end()) return without_bridges(interfaces);
    networks.insert(network_of(*found));
  }
  if (networks.empty()) return {};
  return {"if_include", fmt::format("{}", fmt::join(networks, ","))};
}

std::vector<Interface> interfaces_of_this_host() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  std::vector<Interface> interfaces;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    if ((entry->ifa_flags & IFF_UP) == 0 || entry->ifa_netmask == nullptr) continue;
    interfaces.push_back({entry->ifa_name, address_of(entry->ifa_addr),
                          std::popcount(address_of(entry->ifa_netmask))});
  }
  return interfaces;
}

std::vector<uint32_t> addresses_of(const std::vector<Host>& hosts) {
  std::vector<uint32_t> addresses;
  for (const auto& host : hosts) addresses.push_back(resolve(host.name));
  return addresses;
}

bool is_this_host(const std::string& name) {
  const std::string own = host_name();
  if (name == own || name == "localhost" || name == own.substr(0, own.find('.'))) return true;
  const uint32_t address = resolve(name);
  if (address == 0) return false;
  if (is_loopback(address)) return true;
  const auto interfaces = interfaces_of_this_host();
  return std::any_of(interfaces.begin(), interfaces.end(),
                     [&](const Interface& interface) { return interface.address == address; });
}

std::string listed_name(const std::vector<Host>& hosts, const std::string& reported) {
  const auto short_name = [](const std::string& name) { return name.substr(0, name.find('.')); };
  for (const auto& host : hosts)
    if (host.name == reported) return host.name;
  for (const auto& host : hosts)
    if (short_name(host.name) == short_name(reported)) return host.name;
  const uint32_t address = resolve(reported);
  for (const auto& host : hosts)
    if (address != 0 && resolve(host.name) == address) return host.name;
  return reported;
}

}  // namespace ripieno::tools
