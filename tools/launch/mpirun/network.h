// Which networks Open MPI may use: those that lead to the hosts, never a bridge of containers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/tools/launch/mpirun/hosts.h"

namespace ripieno::tools {

// An IPv4 address of a network interface of this host.
struct Interface {
  std::string name;
  uint32_t address = 0;  // in the byte order of the host
  int prefix_bits = 32;  // 24 in 10.77.0.0/24
};

// An MCA option that selects networks: btl_tcp_<option> and oob_tcp_<option>.
struct NetworkChoice {
  std::string option;  // "if_include" or "if_exclude"; empty: no option is needed
  std::string value;
  bool operator==(const NetworkChoice&) const = default;
};

// Whether the interface only leads to containers or virtual machines of this host: docker0, virbr0,
// cni0, …
bool is_local_bridge(const std::string& name);

// Whether the address is in the network of the interface.
bool is_in_network(const Interface& interface, uint32_t address);

// If the interfaces of this host have the addresses of all hosts in their networks: includes just
// these networks. Otherwise the hosts are behind a router: excludes the loopback interface and all
// local bridges, of this host and by their usual names.
NetworkChoice choose_network(const std::vector<Interface>& interfaces,
                             const std::vector<uint32_t>& addresses_of_hosts);

// The interfaces of this host that are up; the address of each host. A host whose name cannot be
// resolved has none: its address is 0.
std::vector<Interface> interfaces_of_this_host();
std::vector<uint32_t> addresses_of(const std::vector<Host>& hosts);

// Whether the host is the one that this process runs on: by its name, or by its address.
bool is_this_host(const std::string& name);

// The name by which `hosts` lists the host that calls itself `reported`: the same, the same up to
// the first dot, or one with the same address. `reported` if there is none.
std::string listed_name(const std::vector<Host>& hosts, const std::string& reported);

}  // namespace ripieno::tools
