#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "ripieno/tools/doctor/checks/checks.h"

namespace ripieno::tools::doctor {
namespace {

constexpr const char* kSubject = "interfaces";

std::string text_of(uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                     address & 255);
}

std::string text_of(const Interface& interface) {
  return fmt::format("{} ({}/{})", interface.name, text_of(interface.address),
                     interface.prefix_bits);
}

bool is_loopback(const Interface& interface) { return interface.address >> 24 == 127; }

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream in(list);
  for (std::string word; std::getline(in, word, ',');)
    if (!word.empty()) words.push_back(word);
  return words;
}

// The networks of real interfaces, for a remedy that can be copied.
std::string how_to_choose(const HostFacts& facts) {
  std::vector<std::string> names;
  for (const auto& interface : facts.network.interfaces) {
    if (!is_loopback(interface) && !is_local_bridge(interface.name))
      names.push_back(interface.name);
  }
  if (names.empty()) return "connect the host to a network that leads to the others";
  return fmt::format(
      "start with ripieno launch, which excludes it, or pass mpirun --mca btl_tcp_if_include {0} "
      "--mca oob_tcp_if_include {0} -x NCCL_SOCKET_IFNAME={0}",
      fmt::join(names, ","));
}

// Interfaces that a variable names, which must exist and lead to other hosts. NCCL takes prefixes,
// "=" for a whole name and "^" for an exclusion; Open MPI also takes networks, "10.0.0.0/24".
void check_chosen(const HostFacts& facts, const std::string& variable, const std::string& list,
                  std::vector<Finding>& findings) {
  if (list.starts_with('^')) return;
  for (std::string word : words_of(list)) {
    if (word.find('/') != std::string::npos) continue;
    if (word.starts_with('=')) word.erase(0, 1);
    const auto& all = facts.network.interfaces;
    const bool exists = std::any_of(all.begin(), all.end(), [&](const Interface& interface) {
      return interface.name.starts_with(word);
    });
    const std::string set = fmt::format("{}={}", variable, list);
    if (!exists) {
      findings.push_back(found(kSubject, kNoInterface,
                               fmt::format("{}: there is no interface {}", set, word), facts.host));
    } else if (is_local_bridge(word) || (word == "lo" && facts.ranks > facts.ranks_on_host)) {
      findings.push_back(found(kSubject, kBridgeChosen,
                               fmt::format("{}: {} leads to no other host", set, word), facts.host,
                               how_to_choose(facts)));
    }
  }
}

bool is_excluded(const NetworkFacts& network, const std::string& name) {
  const auto excluded = words_of(network.mpi_exclude);
  return !network.mpi_include.empty() ||
         std::find(excluded.begin(), excluded.end(), name) != excluded.end();
}

}  // namespace

std::vector<Finding> check_interfaces(const HostFacts& facts) {
  std::vector<Finding> findings;
  const auto& network = facts.network;
  check_chosen(facts, "OMPI_MCA_btl_tcp_if_include", network.mpi_include, findings);
  check_chosen(facts, "NCCL_SOCKET_IFNAME", network.nccl, findings);
  std::vector<std::string> usable;
  for (const auto& interface : network.interfaces) {
    if (is_loopback(interface)) continue;
    if (!is_local_bridge(interface.name)) {
      usable.push_back(text_of(interface));
      continue;
    }
    if (is_excluded(network, interface.name)) continue;
    // Without a choice Open MPI uses every network; with several hosts that is one too many.
    const bool is_used = facts.ranks > facts.ranks_on_host;
    findings.push_back(found(kSubject, is_used ? kBridgeChosen : kLocalBridge,
                             text_of(interface) + " leads only to containers of this host",
                             facts.host, how_to_choose(facts)));
  }
  if (usable.empty()) {
    findings.push_back(not_checked(kSubject, "no interface leads to other hosts"));
  } else {
    findings.push_back(ok(kSubject, fmt::format("{}", fmt::join(usable, ", "))));
  }
  return findings;
}

}  // namespace ripieno::tools::doctor
