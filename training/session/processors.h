// The processors that this process may use, by its environment: affinity and control groups.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace ripieno {

// The first number in OMP_NUM_THREADS; none where the variable is unset or empty. Throws
// ConfigurationError where it does not begin with a whole number of threads.
std::optional<int> threads_of_environment();

// How much processor time the control group of a process may take.
struct CpuQuota {
  std::string group;                 // the limiting group: equal for processes that share it
  std::optional<double> processors;  // empty where there is no limit
};

// The lowest limit of this process's group and those around it: cpu.max, or cpu.cfs_quota_us where
// control groups are of version 1.   membership: a file like /proc/self/cgroup; root: where control
// groups are mounted.
CpuQuota cpu_quota(const std::filesystem::path& membership = "/proc/self/cgroup",
                   const std::filesystem::path& root = "/sys/fs/cgroup");

// The processors that this process may run on.
struct Affinity {
  int count;
  std::string list;  // equal for processes that share them
};
Affinity affinity();

// What a rank takes of both.
struct CpuShare {
  int threads;         // at least 1
  std::string source;  // "affinity", or "the control group's quota" where that is less
};
// `on_affinity` and `on_quota`: how many ranks, this one included, may run on these processors, and
// are limited by this quota.
CpuShare cpu_share(const Affinity& affinity, int64_t on_affinity, const CpuQuota& quota,
                   int64_t on_quota);

}  // namespace ripieno
