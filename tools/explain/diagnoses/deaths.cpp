#include "ripieno/tools/explain/diagnoses/deaths.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>

#include "ripieno/io/run/progress.h"

namespace ripieno::tools::explain {
namespace {

// A rank that is killed has fallen silent at most this long before mpirun ends the others.
constexpr double kNoticed = 5;
constexpr double kFullGroup = 0.9, kFullHost = 0.03;

const Rank& rank_of(const RunFacts& run, const Failure& failure) {
  return run.ranks[failure.index];
}

// The counter is that of the control group, so another rank of it may have seen it rise.
bool has_oom_kill(const RunFacts& run, const Rank& rank) {
  return std::any_of(run.ranks.begin(), run.ranks.end(), [&](const auto& other) {
    const auto& beat = other.record.heartbeat;
    return other.host() == rank.host() && beat.oom_kills && beat.oom_kills_at_start &&
           *beat.oom_kills > *beat.oom_kills_at_start;
  });
}

bool is_group_full(const Rank& rank) {
  const auto& beat = rank.record.heartbeat;
  return beat.group_bytes && beat.group_limit_bytes &&
         static_cast<double>(*beat.group_bytes) >=
             kFullGroup * static_cast<double>(*beat.group_limit_bytes);
}

bool is_host_full(const RunFacts& run, const Rank& rank) {
  const auto& available = rank.record.heartbeat.host_available_bytes;
  if (!available) return false;
  auto all = static_cast<double>(*available);
  for (const auto& other : run.ranks) {
    if (other.host() == rank.host())
      all += static_cast<double>(other.record.heartbeat.resident_bytes);
  }
  return static_cast<double>(*available) < kFullHost * all;
}

bool lives_longer(const Rank& other, const Failure& killed) {
  return static_cast<double>(last_known(other)) / 1e9 > killed.time + kNoticed;
}

}  // namespace

Death death_of(const RunFacts& run, const Failure& killed) {
  const Rank& rank = rank_of(run, killed);
  if (has_oom_kill(run, rank) || is_group_full(rank)) return Death::group_memory;
  if (is_host_full(run, rank)) return Death::host_memory;
  if (rank.launched) return Death::outside;
  bool has_host_lived = false, have_others_lived = false;
  for (const auto& other : run.ranks) {
    if (!lives_longer(other, killed)) continue;
    (other.host() == rank.host() ? has_host_lived : have_others_lived) = true;
  }
  if (has_host_lived) return Death::stopped;
  return have_others_lived ? Death::host_lost : Death::outside;
}

std::vector<const Failure*> failures_of(const RunFacts& run, Role role, Failure::Kind kind) {
  std::vector<const Failure*> found;
  for (const auto& failure : run.failures) {
    if (failure.role == role && failure.kind == kind) found.push_back(&failure);
  }
  return found;
}

std::vector<const Failure*> deaths_of(const RunFacts& run, Death death) {
  auto found = failures_of(run, Role::root, Failure::Kind::killed);
  std::erase_if(found, [&](const auto* failure) { return death_of(run, *failure) != death; });
  return found;
}

std::vector<const Failure*> errors_of(const RunFacts& run, const std::vector<int>& statuses) {
  auto found = failures_of(run, Role::root, Failure::Kind::error);
  std::erase_if(found, [&](const auto* failure) {
    return std::find(statuses.begin(), statuses.end(), failure->status) == statuses.end();
  });
  return found;
}

Finding finding_of(const RunFacts& run, const Failure& failure, std::string text) {
  const Rank& rank = rank_of(run, failure);
  return {.role = failure.role,
          .ranks = {rank.number()},
          .host = rank.host(),
          .phase = phase_of(rank.record),
          .text = std::move(text),
          .time = failure.time};
}

std::string step_text(const RunFacts& run, const Failure& failure) {
  const auto& record = rank_of(run, failure).record;
  if (record.step == 0) return "before the first step was done";
  return "at step " + io::with_thousands(record.step);
}

Finding error_of(const RunFacts& run, const Failure& failure) {
  const std::string message = failure.message.empty() ? "no message" : failure.message;
  // Of a program that caught the exception, only a launch knows the status.
  const std::string end =
      failure.status == 0 ? "left its run" : fmt::format("ended with status {}", failure.status);
  return finding_of(run, failure,
                    fmt::format("{} {} {}: {}", who(rank_of(run, failure)), end,
                                step_text(run, failure), message));
}

std::string signal_text(int signal) {
  const char* const name = ::sigabbrev_np(signal);
  return name ? fmt::format("signal {} (SIG{})", signal, name) : fmt::format("signal {}", signal);
}

std::string gibibytes(int64_t bytes) {
  return fmt::format("{:.3g} GiB", static_cast<double>(bytes) / (1 << 30));
}

}  // namespace ripieno::tools::explain
