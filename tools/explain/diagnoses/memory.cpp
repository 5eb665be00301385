#include <fmt/format.h>

#include <algorithm>

#include "ripieno/tools/explain/diagnoses/deaths.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::explain {
namespace {

constexpr double kNearlyFull = 0.95;

std::string use_of_group(const io::FlightHeartbeat& beat) {
  if (!beat.group_bytes || !beat.group_limit_bytes) return "";
  return fmt::format("{:.3g} of {} at the last heartbeat",
                     static_cast<double>(*beat.group_bytes) / (1 << 30),
                     gibibytes(*beat.group_limit_bytes));
}

// The largest number of kills that a rank of this host has seen since its start.
int64_t oom_kills_on(const RunFacts& run, const std::string& host) {
  int64_t kills = 0;
  for (const auto& rank : run.ranks) {
    const auto& beat = rank.record.heartbeat;
    if (rank.host() == host && beat.oom_kills && beat.oom_kills_at_start)
      kills = std::max(kills, *beat.oom_kills - *beat.oom_kills_at_start);
  }
  return kills;
}

std::string killed_text(const RunFacts& run, const Failure& failure, const std::string& evidence) {
  return fmt::format("{} was killed by signal 9 {}: out of memory ({})",
                     who(run.ranks[failure.index]), step_text(run, failure), evidence);
}

std::vector<Finding> find_killed_by_group(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto* failure : deaths_of(run, Death::group_memory)) {
    const Rank& rank = run.ranks[failure->index];
    const int64_t kills = oom_kills_on(run, rank.host());
    std::string evidence;
    if (kills > 0) evidence = fmt::format("its container's oom_kill counter rose by {}", kills);
    const std::string use = use_of_group(rank.record.heartbeat);
    if (!use.empty()) evidence += (evidence.empty() ? "its container used " : "; ") + use;
    found.push_back(finding_of(run, *failure, killed_text(run, *failure, evidence)));
  }
  return found;
}

std::vector<Finding> find_killed_by_host(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto* failure : deaths_of(run, Death::host_memory)) {
    const auto& beat = run.ranks[failure->index].record.heartbeat;
    const std::string evidence = fmt::format(
        "its host had {} available at the last heartbeat, when the process used {}",
        gibibytes(beat.host_available_bytes.value_or(0)), gibibytes(beat.resident_bytes));
    found.push_back(finding_of(run, *failure, killed_text(run, *failure, evidence)));
  }
  return found;
}

std::vector<Finding> find_failed_allocations(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto* failure : errors_of(run, {static_cast<int>(ExitStatus::memory)})) {
    found.push_back(error_of(run, *failure));
    const auto& beat = run.ranks[failure->index].record.heartbeat;
    const std::string group = use_of_group(beat);
    found.back().text +=
        fmt::format(" (out of memory; the process used {} of host memory, at most {}{})",
                    gibibytes(beat.resident_bytes), gibibytes(beat.peak_resident_bytes),
                    group.empty() ? "" : "; its container " + group);
  }
  return found;
}

std::vector<Finding> find_nearly_full(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto& rank : run.ranks) {
    const auto& beat = rank.record.heartbeat;
    const bool is_nearly_full = rank.life == Life::running && beat.group_bytes &&
                                beat.group_limit_bytes &&
                                static_cast<double>(*beat.group_bytes) >=
                                    kNearlyFull * static_cast<double>(*beat.group_limit_bytes);
    if (!is_nearly_full) continue;
    found.push_back({.ranks = {rank.number()},
                     .host = rank.host(),
                     .phase = phase_of(rank.record),
                     .text = fmt::format("{} is close to its memory limit: its container uses {}",
                                         who(rank), use_of_group(beat))});
  }
  return found;
}

constexpr std::string_view kLess =
    "use less memory per rank (train.micro_batch_size, train.recompute=blocks, parallel.shard, "
    "fewer reader threads), fewer ranks per host, or a larger limit; the same command resumes";

constexpr Diagnosis kDiagnoses[] = {
    {"R-MEM-01", "killed: its container was out of memory", Stage::failure, kLess,
     find_killed_by_group},
    {"R-MEM-02", "killed: its host was out of memory", Stage::failure, kLess, find_killed_by_host},
    {"R-MEM-03", "an allocation failed", Stage::failure, kLess, find_failed_allocations},
    {"R-MEM-04", "close to the memory limit", Stage::caution, kLess, find_nearly_full},
};

}  // namespace

std::span<const Diagnosis> memory_diagnoses() { return kDiagnoses; }

}  // namespace ripieno::tools::explain
