// The hosts of a launch: from a host file, Slurm or Kubernetes' MPI Operator.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::tools {

struct Host {
  std::string name;
  int slots = 1;  // ranks that it takes
  bool operator==(const Host&) const = default;
};

// Reads the lines of a host file: "h1", "h1 slots=4" or "h1:4", with comments after '#'. One slot
// by default. `max_slots=N` is accepted and ignored. Throws ConfigurationError, which names
// `path` and the line, if a line has anything else, a host is listed twice, or there is none.
std::vector<Host> parse_host_file(const std::string& path, std::string_view text);

// Expands Slurm's compressed list of hosts, "gpu[01-03,7],login": SLURM_JOB_NODELIST. Throws
// ConfigurationError.
std::vector<std::string> expand_node_list(std::string_view list);
// Tasks per host in Slurm's notation, "2(x3),1": SLURM_TASKS_PER_NODE, for so many hosts. Throws
// ConfigurationError.
std::vector<int> expand_task_counts(std::string_view list, std::size_t hosts);

// The hosts to launch on, in this order: `host_file` unless it is empty, those of the Slurm job,
// Open MPI's default host file (OMPI_MCA_orte_default_hostfile), that of Kubernetes' MPI Operator
// (/etc/mpi/hostfile). Empty: this host alone. Throws ConfigurationError.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
std::vector<Host> find_hosts(const std::string& host_file, const Environment& environment);

// The hosts that the host file `exclude_file`, which may list none, does not have. Throws
// ConfigurationError if it cannot be read, or has all hosts.
std::vector<Host> without_excluded(std::vector<Host> hosts, const std::string& exclude_file);

// The total number of slots.
int slots_of(const std::vector<Host>& hosts);

}  // namespace ripieno::tools
