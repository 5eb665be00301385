#include <fmt/format.h>

#include <algorithm>

#include "ripieno/io/run/progress.h"
#include "ripieno/io/run/ranks/paths.h"
#include "ripieno/tools/explain/diagnoses/deaths.h"
#include "ripieno/tools/explain/diagnoses/suspects.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::explain {
namespace {

// Of an error that communicators report if they compare the calls of all ranks.
bool is_mismatch(const Failure& failure) {
  return failure.message.starts_with("collectives differ between ranks");
}

// The ranks that reported it, or those that the records name.
std::vector<Finding> find_reported_mismatch(const RunFacts& run) {
  std::vector<int> ranks;
  const Failure* first = nullptr;
  for (const auto* failure : errors_of(run, {static_cast<int>(ExitStatus::software)})) {
    if (!is_mismatch(*failure)) continue;
    if (!first) first = failure;
    ranks.push_back(run.ranks[failure->index].number());
  }
  if (!first) return {};
  std::sort(ranks.begin(), ranks.end());
  const bool is_known = run.stall.kind == io::Stall::Kind::mismatch;
  if (is_known) ranks = run.stall.suspects;
  const Rank* rank = run.find(ranks.front());
  return {{.ranks = ranks,
           .host = rank ? rank->host() : "",
           .phase = "communication",
           .text = first->message,
           .time = first->time}};
}

std::vector<Finding> find_mismatch(const RunFacts& run) {
  if (auto found = find_reported_mismatch(run); !found.empty()) return found;
  if (run.stall.kind != io::Stall::Kind::mismatch || !is_stalled(run)) return {};
  std::vector<io::FlightRecord> records;
  for (const auto& rank : run.ranks) records.push_back(rank.record);
  const Rank* rank = run.find(run.stall.suspects.front());
  return {{.ranks = run.stall.suspects,
           .host = rank ? rank->host() : "",
           .phase = "communication",
           .text = io::to_string(run.stall, records, run.end()),
           .time = rank ? static_cast<double>(phase_since(rank->record)) / 1e9 : 0}};
}

std::vector<Finding> find_rank_that_left(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto& suspects : find_suspects(run)) {
    for (const auto* rank : suspects.ranks) {
      const bool has_ended = rank->record.end.kind == io::FlightEnd::Kind::returned;
      if (!has_ended || suspects.waiting.empty()) continue;
      found.push_back(
          {.ranks = {rank->number()},
           .host = rank->host(),
           .phase = phase_of(rank->record),
           .text = fmt::format("{} has ended with status {} after step {}, but {}", who(*rank),
                               rank->record.end.status, io::with_thousands(rank->record.step),
                               waiting_text(run, suspects.waiting, "it", suspects.collective)),
           .time = static_cast<double>(rank->record.end.unix_time) / 1e9});
    }
  }
  return found;
}

std::vector<Finding> errors_with(const RunFacts& run, const std::vector<int>& statuses) {
  std::vector<Finding> found;
  for (const auto* failure : errors_of(run, statuses)) found.push_back(error_of(run, *failure));
  return found;
}

std::vector<Finding> find_configuration_errors(const RunFacts& run) {
  return errors_with(
      run, {static_cast<int>(ExitStatus::configuration), static_cast<int>(ExitStatus::usage)});
}

std::string innermost(const Rank& rank) {
  constexpr std::size_t kFrames = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(kFrames, rank.stack.size()); ++i)
    text += (i == 0 ? "; its stack: " : " < ") + rank.stack[i];
  return text;
}

std::vector<Finding> find_crashes(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto* failure : failures_of(run, Role::root, Failure::Kind::crashed)) {
    const Rank& rank = run.ranks[failure->index];
    found.push_back(finding_of(
        run, *failure,
        fmt::format("{} crashed with {} {}, in {}{}", who(rank), signal_text(failure->signal),
                    step_text(run, *failure), io::position_of(rank.record), innermost(rank))));
    const std::string directory = io::rank_directory(run.directory, rank.number());
    if (!rank.stack.empty())
      found.back().remedy = fmt::format(
          "read {}, and look at what the program does there; a build "
          "with the preset asan finds errors of memory",
          io::stacks_path(directory));
  }
  return found;
}

// Errors that no other diagnosis is about.
std::vector<Finding> find_other_errors(const RunFacts& run) {
  constexpr ExitStatus kOthers[] = {ExitStatus::usage,         ExitStatus::data,
                                    ExitStatus::memory,        ExitStatus::ranks_differ,
                                    ExitStatus::storage,       ExitStatus::peer_lost,
                                    ExitStatus::configuration, ExitStatus::diverged};
  std::vector<Finding> found;
  for (const auto* failure : failures_of(run, Role::root, Failure::Kind::error)) {
    const bool has_another = std::any_of(std::begin(kOthers), std::end(kOthers), [&](auto status) {
      return failure->status == static_cast<int>(status);
    });
    if (!has_another && !is_mismatch(*failure)) found.push_back(error_of(run, *failure));
  }
  return found;
}

std::vector<Finding> find_restarts_in_vain(const RunFacts& run) {
  constexpr int kMany = 3;
  const bool has_failed = run.state == State::failed || run.state == State::unknown;
  if (!run.start || run.start->in_vain < kMany || !has_failed) return {};
  const std::string from = run.start->resumed_from.empty() ? "step 0" : run.start->resumed_from;
  return {{.text = fmt::format("the last {} starts all began at {}: restarts make no progress",
                               run.start->in_vain, from)}};
}

constexpr Diagnosis kDiagnoses[] = {
    {"R-PROG-01", "ranks call different collectives", Stage::stall,
     "correct the program so that every rank calls the same collectives with the same shapes, in "
     "the same order: no condition on the rank or on its data around them",
     find_mismatch},
    {"R-PROG-02", "a rank has left, and others wait for it", Stage::stall,
     "correct the program so that all ranks leave the loop at the same step: no condition on the "
     "rank or on its data",
     find_rank_that_left},
    {"R-PROG-03", "the configuration or the environment cannot work", Stage::failure,
     "change what the message names", find_configuration_errors},
    {"R-PROG-04", "the program crashed", Stage::failure,
     "run it under a debugger, or a build with the preset asan; `ulimit -c unlimited` keeps a core "
     "file",
     find_crashes},
    {"R-PROG-05", "the program reported an error", Stage::failure,
     "correct the call that the message names", find_other_errors},
    {"R-PROG-06", "restarts make no progress", Stage::caution,
     "do not restart: remove the cause of the failure first", find_restarts_in_vain},
};

}  // namespace

std::span<const Diagnosis> program_diagnoses() { return kDiagnoses; }

}  // namespace ripieno::tools::explain
