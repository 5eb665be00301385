#include <fmt/format.h>

#include <algorithm>

#include "ripieno/tools/explain/diagnoses/deaths.h"
#include "ripieno/tools/explain/diagnoses/suspects.h"

namespace ripieno::tools::explain {
namespace {

// Phases that have a diagnosis of their own.
bool has_own_diagnosis(const Suspects& suspects) {
  return suspects.phase == "data" || suspects.phase == "save" || suspects.phase == "validation";
}

bool is_silent(const Rank& rank) { return rank.life == Life::silent || rank.life == Life::gone; }

std::vector<Finding> find_late_ranks(const RunFacts& run) {
  return find_behind(run, [](const Suspects& suspects) {
    return !has_own_diagnosis(suspects) && !suspects.waiting.empty();
  });
}

std::vector<Finding> find_long_validation(const RunFacts& run) {
  return find_behind(run, [](const auto& suspects) { return suspects.phase == "validation"; });
}

std::vector<Finding> find_resting(const RunFacts& run) {
  return find_behind(run, [](const Suspects& suspects) {
    return !has_own_diagnosis(suspects) && suspects.waiting.empty();
  });
}

std::string stop_of(const RunFacts& run, const Rank& rank) {
  const auto& beat = rank.record.heartbeat;
  const double silence =
      (static_cast<double>(run.end()) - static_cast<double>(beat.unix_time)) / 1e9;
  if (rank.life == Life::stopped)
    return fmt::format("is stopped by a signal (state T), for {:.0f} s", silence);
  if (beat.longest_gap_seconds > silence)
    return fmt::format("was stopped for {:.0f} s, and continued", beat.longest_gap_seconds);
  return fmt::format(
      "wrote no heartbeat for {:.0f} s, unlike other ranks of its host: it was "
      "stopped",
      silence);
}

// Ranks of other hosts that fell silent alone belong here too: they may be stopped.
bool is_silent_alone(const RunFacts& run, const Rank& rank) {
  if (run.state != State::running || !is_silent(rank)) return false;
  return std::any_of(run.ranks.begin(), run.ranks.end(), [&](const auto& other) {
    return other.host() == rank.host() && !is_silent(other);
  });
}

std::vector<Finding> find_stopped(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto& rank : run.ranks) {
    const bool is_dead = rank.life == Life::gone && run.state == State::running;
    const bool is_stopped = was_stopped(run, rank) || is_silent_alone(run, rank);
    if (is_dead || !is_stopped) continue;
    Finding finding{.ranks = {rank.number()},
                    .host = rank.host(),
                    .phase = phase_of(rank.record),
                    .text = fmt::format("{} {}, in {}", who(rank), stop_of(run, rank),
                                        io::position_of(rank.record)),
                    .time = static_cast<double>(rank.record.heartbeat.unix_time) / 1e9};
    std::vector<int> waiting = run.stall.waiting;
    std::erase(waiting, rank.number());
    if (!waiting.empty()) finding.text += "; " + waiting_text(run, waiting, "it", waited_in(run));
    found.push_back(std::move(finding));
  }
  return found;
}

constexpr std::string_view kStacks =
    "stacks.txt in its directory below ranks/ says where it was; if none is there, run `gdb -p "
    "PID -batch -ex 'thread apply all bt'` on its host";

constexpr Diagnosis kDiagnoses[] = {
    {"R-HANG-01", "a rank is behind the others", Stage::stall, kStacks, find_late_ranks},
    {"R-HANG-02", "a rank stays in a validation", Stage::stall,
     "check that every rank validates the same number of batches, and what the validation of that "
     "rank waits for; stacks.txt in its directory below ranks/ says where it was",
     find_long_validation},
    {"R-HANG-03", "a process was stopped", Stage::stall,
     "find who stopped it (SIGSTOP, a debugger, a paused virtual machine); `kill -CONT PID` "
     "continues it",
     find_stopped},
    {"R-HANG-04", "nothing proceeds, and no rank waits for another", Stage::stall, kStacks,
     find_resting},
};

}  // namespace

std::span<const Diagnosis> hang_diagnoses() { return kDiagnoses; }

}  // namespace ripieno::tools::explain
