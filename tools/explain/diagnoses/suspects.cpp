#include "ripieno/tools/explain/diagnoses/suspects.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ripieno/tools/explain/diagnoses/deaths.h"

namespace ripieno::tools::explain {
namespace {

constexpr double kLongStep = 15, kLongActivity = 30, kLongSteps = 5, kLongGap = 10;
constexpr double kLongCollective = 3, kManySteps = 20;

double seconds_between(int64_t begin, int64_t end) {
  return std::max(0.0, (static_cast<double>(end) - static_cast<double>(begin)) / 1e9);
}

double seconds_in_phase(const RunFacts& run, const Rank& rank) {
  return seconds_between(phase_since(rank.record), run.end());
}

// How long a rank may stay in a phase before that is remarkable.
double patience(const Rank& rank) {
  const double least = rank.record.activity == "step" ? kLongStep : kLongActivity;
  return std::max(least, kLongSteps * rank.record.median_step_seconds);
}

// Whether ranks ended because they had waited in vain.
bool have_given_up(const RunFacts& run) {
  return std::any_of(run.failures.begin(), run.failures.end(), [](const auto& failure) {
    return failure.kind == Failure::Kind::watchdog || failure.kind == Failure::Kind::peer_lost;
  });
}

// Null if the rank has not failed.
const Failure* failure_of(const RunFacts& run, const Rank& rank) {
  const auto found =
      std::find_if(run.failures.begin(), run.failures.end(),
                   [&](const auto& failure) { return &run.ranks[failure.index] == &rank; });
  return found == run.failures.end() ? nullptr : &*found;
}

// Whether it fell silent long before it was killed, and others of its host did not.
bool fell_silent(const RunFacts& run, const Failure& failure) {
  return failure.kind == Failure::Kind::killed && failure.role == Role::root &&
         death_of(run, failure) == Death::stopped;
}

bool has_failed_itself(const RunFacts& run, const Rank& rank) {
  const Failure* failure = failure_of(run, rank);
  return failure && failure->kind != Failure::Kind::signaled && failure->role == Role::root &&
         !fell_silent(run, *failure);
}

// The ranks that none waits for in a collective, but that stay where they are.
std::vector<int> resting_ranks(const RunFacts& run) {
  std::vector<int> ranks;
  for (const auto& rank : run.ranks) {
    const bool is_over = rank.record.end.kind == io::FlightEnd::Kind::returned;
    if (!is_over && seconds_in_phase(run, rank) >= patience(rank)) ranks.push_back(rank.number());
  }
  return ranks;
}

bool has_another_diagnosis(const RunFacts& run, const Rank& rank) {
  const bool is_silent = rank.life == Life::silent || rank.life == Life::gone;
  return was_stopped(run, rank) || rank.record.end.kind == io::FlightEnd::Kind::returned ||
         (is_silent && run.state == State::running);
}

}  // namespace

bool is_stalled(const RunFacts& run) {
  if (run.ranks.empty() || run.state == State::finished || run.state == State::saved) return false;
  if (have_given_up(run)) return true;
  if (run.stall.kind == io::Stall::Kind::none) return !resting_ranks(run).empty();
  // Ranks that wait for the end of a save poll each other, so only those that save say how long.
  const auto& waiting =
      run.stall.kind == io::Stall::Kind::save ? run.stall.suspects : run.stall.waiting;
  return std::any_of(waiting.begin(), waiting.end(), [&](int number) {
    const Rank* rank = run.find(number);
    return rank && seconds_in_phase(run, *rank) >= patience(*rank);
  });
}

double cut_off_seconds(const RunFacts& run) {
  const bool is_ended = run.state == State::failed && run.ranks.size() > 1 &&
                        run.failures.size() == run.ranks.size() &&
                        run.stall.kind != io::Stall::Kind::mismatch;
  const bool is_alone = std::all_of(run.ranks.begin(), run.ranks.end(), [&](const auto& rank) {
    return rank.host() == run.ranks.front().host();
  });
  if (!is_ended || is_alone) return 0;
  double least = 0;
  for (const auto& failure : run.failures) {
    const Rank& rank = run.ranks[failure.index];
    const auto* event = io::current_event(rank.record);
    const bool waits = event && event->is_collective && !was_stopped(run, rank);
    if (failure.kind != Failure::Kind::signaled || !waits) return 0;
    const double seconds = seconds_between(rank.record.unix_time_of(event->start), run.end());
    if (seconds < std::max(kLongCollective, kManySteps * rank.record.median_step_seconds)) return 0;
    least = least == 0 ? seconds : std::min(least, seconds);
  }
  return least;
}

std::string waited_in(const RunFacts& run) {
  const bool is_save = run.stall.kind == io::Stall::Kind::save;
  return is_save ? "that save" : io::name_of(run.stall.collective);
}

bool was_stopped(const RunFacts& run, const Rank& rank) {
  if (rank.life == Life::stopped) return true;
  const auto& beat = rank.record.heartbeat;
  const double since = seconds_between(beat.gap_ended_unix, run.end());
  const double limit = rank.record.limit_seconds;
  const double least = limit > 0 ? std::min(kLongGap, limit) : kLongGap;
  if (beat.longest_gap_seconds >= least && since < beat.longest_gap_seconds + kLongActivity)
    return true;
  const Failure* failure = failure_of(run, rank);
  return failure && fell_silent(run, *failure);
}

namespace {

std::vector<int> suspected(const RunFacts& run) {
  if (run.stall.kind == io::Stall::Kind::none) return resting_ranks(run);
  std::vector<int> numbers = run.stall.suspects;
  if (run.stall.kind != io::Stall::Kind::collective) return numbers;
  // One that was stopped in the collective holds up the others.
  for (const auto& rank : run.ranks) {
    if (was_stopped(run, rank)) numbers.push_back(rank.number());
  }
  return numbers;
}

}  // namespace

std::vector<Suspects> find_suspects(const RunFacts& run) {
  const auto kind = run.stall.kind;
  if (!is_stalled(run) || kind == io::Stall::Kind::mismatch || cut_off_seconds(run) > 0) return {};
  // A stopped rank continues for a second when mpirun ends the job, and lets others move too.
  const bool has_moved = run.state != State::running &&
                         std::any_of(run.ranks.begin(), run.ranks.end(), [&](auto& rank) {
                           return was_stopped(run, rank) && rank.life != Life::stopped;
                         });
  if (has_moved) return {};
  std::map<std::string, Suspects> by_phase;
  const bool is_save = kind == io::Stall::Kind::save;
  for (const int number : suspected(run)) {
    const Rank* rank = run.find(number);
    if (!rank || has_failed_itself(run, *rank)) continue;
    auto& suspects = by_phase[is_save ? "save" : phase_of(rank->record)];
    suspects.ranks.push_back(rank);
    suspects.seconds = std::max(suspects.seconds, seconds_in_phase(run, *rank));
  }
  std::vector<Suspects> found;
  for (auto& [phase, suspects] : by_phase) {
    suspects.phase = phase;
    if (kind != io::Stall::Kind::none) {
      suspects.waiting = run.stall.waiting;
      for (const auto* rank : suspects.ranks) std::erase(suspects.waiting, rank->number());
      suspects.collective = waited_in(run);
    }
    found.push_back(std::move(suspects));
  }
  return found;
}

std::string waiting_text(const RunFacts& run, const std::vector<int>& waiting, const char* whom,
                         const std::string& collective) {
  const char* const verb = run.state != State::running ? "waited"
                           : waiting.size() == 1       ? "waits"
                                                       : "wait";
  return fmt::format("{} {} for {} in {}", ranks_text(waiting), verb, whom, collective);
}

Finding finding_of(const RunFacts& run, const Suspects& suspects) {
  const bool is_now = run.state == State::running;
  const bool is_one = suspects.ranks.size() == 1;
  Finding finding{.host = suspects.ranks.front()->host(),
                  .phase = suspects.phase,
                  .time = static_cast<double>(run.end()) / 1e9 - suspects.seconds};
  for (const auto* rank : suspects.ranks) finding.ranks.push_back(rank->number());
  const std::string have = is_now ? (is_one ? "has been" : "have been") : (is_one ? "was" : "were");
  const std::string position = io::position_of(suspects.ranks.front()->record);
  finding.text = fmt::format(
      "{} {} in {} for {:.0f} s{}",
      is_one ? who(*suspects.ranks.front()) : ranks_text(finding.ranks), have, suspects.phase,
      suspects.seconds,
      position == suspects.phase || position.empty() ? "" : fmt::format(" ({})", position));
  if (!suspects.waiting.empty()) {
    finding.text +=
        "; " + waiting_text(run, suspects.waiting, is_one ? "it" : "them", suspects.collective);
  }
  return finding;
}

std::vector<Finding> find_behind(const RunFacts& run, bool (*matches)(const Suspects&)) {
  std::vector<Finding> found;
  for (Suspects suspects : find_suspects(run)) {
    if (!matches(suspects)) continue;
    std::erase_if(suspects.ranks,
                  [&](const Rank* rank) { return has_another_diagnosis(run, *rank); });
    if (!suspects.ranks.empty()) found.push_back(finding_of(run, suspects));
  }
  return found;
}

}  // namespace ripieno::tools::explain
