#include "ripieno/tools/launch/mpirun/mpirun_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace ripieno::tools {
namespace {

using Words = std::vector<std::string>;

void add(Words& words, std::initializer_list<std::string> more) { words.insert(words.end(), more); }

void add(Words& words, const Words& more) { words.insert(words.end(), more.begin(), more.end()); }

void add_mca(Words& words, const std::string& name, const std::string& value) {
  add(words, {"--mca", name, value});
}

// Loss of a host is noticed after 4 + 4 * 1 = 8 s; by default after 300 + 9 * 20 s.
void add_keep_alive(Words& words) {
  add_mca(words, "oob_tcp_keepalive_time", "4");
  add_mca(words, "oob_tcp_keepalive_intvl", "1");
  add_mca(words, "oob_tcp_keepalive_probes", "4");
}

void add_network(Words& words, const NetworkChoice& network) {
  if (network.option.empty()) return;
  add_mca(words, "btl_tcp_" + network.option, network.value);
  add_mca(words, "oob_tcp_" + network.option, network.value);
}

// "h1:2,h2:2"
std::string host_list(const std::vector<Host>& hosts) {
  std::string list;
  for (const auto& host : hosts)
    list += fmt::format("{}{}:{}", list.empty() ? "" : ",", host.name, host.slots);
  return list;
}

}  // namespace

std::vector<std::string> words_of(const AttemptCommand& attempt, const Words& rank_wrapper) {
  Words words;
  if (attempt.ranks > 1 || !attempt.hosts.empty()) {
    add(words, {"mpirun", "-n", fmt::format("{}", attempt.ranks)});
    if (attempt.hosts.empty())
      add(words, {"--oversubscribe"});
    else
      add(words, {"--host", host_list(attempt.hosts), "--map-by", "slot"});
    add(words, {"--bind-to", "none"});  // not --quiet: mpirun would not name a lost host
    if (attempt.is_root) add(words, {"--allow-run-as-root"});
    if (attempt.exceeds_cores) add_mca(words, "mpi_yield_when_idle", "1");
    add_network(words, attempt.network);
    if (!attempt.hosts.empty()) add_keep_alive(words);
    add_mca(words, "orte_tmpdir_base", attempt.temporary);
    add_mca(words, "btl_vader_backing_directory", attempt.temporary);
    for (const auto& name : attempt.exported) add(words, {"-x", name});
    add(words, attempt.more_options);
  }
  add(words, rank_wrapper);
  add(words, attempt.program);
  return words;
}

std::vector<std::string> exported_variables(const char* const* environment) {
  std::vector<std::string> names;
  for (const char* const* entry = environment; *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    const std::string_view name = variable.substr(0, variable.find('='));
    const bool is_ours = name.starts_with("RIPIENO_") || name.starts_with("NCCL_");
    if (is_ours || name == "OMP_NUM_THREADS" || name == "LD_LIBRARY_PATH" ||
        name == "GLIBC_TUNABLES")
      names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace ripieno::tools
