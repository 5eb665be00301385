#include <fmt/format.h>

#include <algorithm>

#include "ripieno/tools/doctor/checks/checks.h"
#include "ripieno/tools/table.h"

namespace ripieno::tools::doctor {
namespace {

constexpr const char* kSubject = "limits";
constexpr int64_t kMebibyte = 1 << 20;
// Docker's default is 64 MiB. MPI takes 4 MiB per rank, NCCL about 10 MiB per GPU and channel pair.
constexpr int64_t kLeastSharedMemory = 256 * kMebibyte;
constexpr int64_t kLeastLockedMemory = 64 * kMebibyte;
constexpr int64_t kFilesOfARank = 256;
// A GPU's context, MPI and the libraries alone take some hundred megabytes.
constexpr int64_t kLeastMemoryOfARank = 512 * kMebibyte;

double processors_of(const LimitFacts& limits) {
  return std::min<double>(limits.affinity.count, limits.quota.processors.value_or(1e9));
}

void check_shared_memory(const HostFacts& facts, std::vector<Finding>& findings) {
  const auto& space = facts.limits.shared_memory;
  if (!space) {
    findings.push_back(found(kSubject, kSharedMemory, "there is no /dev/shm", facts.host));
  } else if (space->total_bytes > 0 && space->free_bytes < kLeastSharedMemory) {
    const auto what = fmt::format(
        "/dev/shm has {} free of {}; {} are required", readable_bytes(space->free_bytes),
        readable_bytes(space->total_bytes), readable_bytes(kLeastSharedMemory));
    findings.push_back(found(kSubject, kSharedMemory, what, facts.host));
  }
}

void check_files_and_locks(const HostFacts& facts, std::vector<Finding>& findings) {
  const auto& limits = facts.limits;
  if (limits.has_rdma && limits.locked_memory_bytes &&
      *limits.locked_memory_bytes < kLeastLockedMemory) {
    findings.push_back(
        found(kSubject, kLockedMemory,
              fmt::format("at most {} may be locked", readable_bytes(*limits.locked_memory_bytes)),
              facts.host));
  }
  const int64_t files = kFilesOfARank + 2 * facts.ranks;
  if (limits.open_files && *limits.open_files < files) {
    findings.push_back(found(kSubject, kOpenFiles,
                             fmt::format("a process may open {} files; {} ranks require {}",
                                         *limits.open_files, facts.ranks, files),
                             facts.host));
  }
}

void check_processors(const HostFacts& facts, std::vector<Finding>& findings) {
  const auto& limits = facts.limits;
  const double processors = processors_of(limits);
  const int threads = limits.threads.value_or(1) * facts.ranks_on_host;
  if (limits.threads && limits.quota.processors && threads > *limits.quota.processors) {
    findings.push_back(
        found(kSubject, kThreads,
              fmt::format(
                  "OMP_NUM_THREADS={} on {} gives {} threads, but the control group allows {:.3g} "
                  "of {} CPUs",
                  *limits.threads, counted(facts.ranks_on_host, "rank"), threads,
                  *limits.quota.processors, limits.affinity.count),
              facts.host));
  }
  if (facts.ranks_on_host > processors && !limits.yields_when_idle) {
    findings.push_back(found(
        kSubject, kRanksExceedCores,
        fmt::format("{} ranks on {:.3g} processors", facts.ranks_on_host, processors), facts.host));
  }
}

void check_memory(const HostFacts& facts, std::vector<Finding>& findings) {
  const int64_t needed = kLeastMemoryOfARank * facts.ranks_on_host;
  if (facts.limits.available_bytes >= needed) return;
  const auto limit =
      facts.limits.memory_bytes
          ? fmt::format(" of the container's {}", readable_bytes(*facts.limits.memory_bytes))
          : "";
  findings.push_back(
      found(kSubject, kMemory,
            fmt::format("{} of memory{} are available; {} require at least {}",
                        readable_bytes(facts.limits.available_bytes), limit,
                        counted(facts.ranks_on_host, "rank"), readable_bytes(needed)),
            facts.host));
}

std::string summary(const LimitFacts& limits) {
  std::string text = fmt::format("{:.3g} CPUs, {} of memory available", processors_of(limits),
                                 readable_bytes(limits.available_bytes));
  if (limits.shared_memory && limits.shared_memory->total_bytes > 0)
    text += fmt::format(", {} free in /dev/shm", readable_bytes(limits.shared_memory->free_bytes));
  if (limits.open_files) text += fmt::format(", {} open files", *limits.open_files);
  return text;
}

}  // namespace

std::vector<Finding> check_limits(const HostFacts& facts) {
  std::vector<Finding> findings;
  check_shared_memory(facts, findings);
  check_files_and_locks(facts, findings);
  check_processors(facts, findings);
  check_memory(facts, findings);
  if (findings.empty()) findings.push_back(ok(kSubject, summary(facts.limits)));
  return findings;
}

}  // namespace ripieno::tools::doctor
