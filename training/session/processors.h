// The number of processors that this process may use, as limited by CPU affinity, control groups
// and OMP_NUM_THREADS.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ripieno {

// The first number in OMP_NUM_THREADS; empty if the variable is unset or empty. Throws
// ConfigurationError if it does not begin with a whole number of threads.
std::optional<int> threads_of_environment();

// The limit on processor time of a control group.
struct CpuQuota {
  std::string group;  // path of the limiting group: equal for processes that share the quota
  std::optional<double> processors;  // empty: no limit
};

// The lowest limit of this process's control group and its ancestors: cpu.max, or cpu.cfs_quota_us
// for control groups of version 1. `membership`: a file in the format of /proc/self/cgroup; `root`:
// the mount point of control groups.
CpuQuota cpu_quota(const std::filesystem::path& membership = "/proc/self/cgroup",
                   const std::filesystem::path& root = "/sys/fs/cgroup");

// The processors that this process may run on (sched_getaffinity).
struct Affinity {
  int count;
  std::string list;                  // their numbers: equal for processes on the same processors
  std::vector<int> processors = {};  // their numbers
};
Affinity affinity();

// The threads of one rank, limited by both.
struct CpuShare {
  int threads;         // at least 1
  std::string source;  // "affinity", or "the control group's quota" if that is lower
};
// Divides the processors and the quota by the number of ranks that share them. `on_affinity` and
// `on_quota`: the number of ranks, including this one, with the same processors and the same quota.
CpuShare cpu_share(const Affinity& affinity, int64_t on_affinity, const CpuQuota& quota,
                   int64_t on_quota);

}  // namespace ripieno
