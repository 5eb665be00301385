#include "ripieno/tools/explain/run/failures.h"

#include <signal.h>

#include <algorithm>
#include <optional>

#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::explain {
namespace {

using Kind = Failure::Kind;

// Heartbeats are a second apart, and are written up to a second late.
constexpr double kHeartbeats = 2.5;
// Ranks that fail by themselves within this time have the same cause.
constexpr double kTogether = 2;

bool is_crash(int signal) {
  return signal == SIGSEGV || signal == SIGABRT || signal == SIGFPE || signal == SIGILL ||
         signal == SIGBUS;
}

double seconds(int64_t unix_time) { return static_cast<double>(unix_time) / 1e9; }

Kind kind_of_signal(int signal) {
  if (signal == SIGKILL) return Kind::killed;
  return is_crash(signal) ? Kind::crashed : Kind::signaled;
}

Kind kind_of_error(const io::FlightEnd& end, int status) {
  if (end.kind == io::FlightEnd::Kind::watchdog) return Kind::watchdog;
  const bool is_silent = end.kind == io::FlightEnd::Kind::exception && end.message.empty();
  if (status == static_cast<int>(ExitStatus::peer_lost) || is_silent) return Kind::peer_lost;
  return Kind::error;
}

std::optional<Failure> of_launched(const Rank& rank) {
  const auto& launched = *rank.launched;
  Failure failure{.status = launched.status,
                  .signal = launched.signal,
                  .message = rank.record.end.message,
                  .time = launched.time};
  // A program that catches the exception that ends its run ends later, with a message of its own.
  const bool is_of_end = rank.record.end.status == launched.status;
  const bool has_words = !launched.last_words.empty();
  if (failure.message.empty() || (!is_of_end && has_words)) failure.message = launched.last_words;
  if (launched.signal != 0) {
    failure.kind = kind_of_signal(launched.signal);
    return failure;
  }
  const bool is_good = launched.status == static_cast<int>(ExitStatus::finished) ||
                       launched.status == static_cast<int>(ExitStatus::run_again);
  if (is_good) return std::nullopt;
  failure.kind = kind_of_error(rank.record.end, launched.status);
  return failure;
}

std::optional<Failure> of_recorded(const Rank& rank) {
  const auto& end = rank.record.end;
  Failure failure{.status = end.status,
                  .signal = end.signal,
                  .message = end.message,
                  .time = seconds(end.unix_time)};
  if (end.kind == io::FlightEnd::Kind::signal) {
    failure.kind = kind_of_signal(end.signal);
    failure.message.clear();
    return failure;
  }
  const bool is_good = end.kind == io::FlightEnd::Kind::returned &&
                       (end.status == static_cast<int>(ExitStatus::finished) ||
                        end.status == static_cast<int>(ExitStatus::run_again));
  if (is_good) return std::nullopt;
  failure.kind = kind_of_error(end, end.status);
  return failure;
}

std::optional<Failure> failure_of(const Rank& rank, bool is_over) {
  if (rank.launched) return of_launched(rank);
  if (rank.record.end.kind != io::FlightEnd::Kind::running) return of_recorded(rank);
  const bool is_dead = rank.life == Life::gone || (rank.life == Life::silent && is_over);
  if (!is_dead) return std::nullopt;
  return Failure{
      .kind = Kind::killed, .signal = SIGKILL, .time = seconds(rank.record.heartbeat.unix_time)};
}

bool is_own(const Failure& failure) {
  return failure.kind == Kind::killed || failure.kind == Kind::crashed ||
         failure.kind == Kind::error;
}

// Whether mpirun killed the rank when others had failed, rather than something before that.
bool was_killed_after(const Failure& killed, const std::vector<Failure>& failures,
                      const std::vector<Rank>& ranks) {
  if (ranks[killed.index].launched) return ranks[killed.index].launched->asked_to_end;
  for (const auto& other : failures) {
    const bool has_recorded = ranks[other.index].record.end.kind != io::FlightEnd::Kind::running;
    if (!has_recorded || other.kind == Kind::killed) continue;
    if (other.time < killed.time) return true;  // it lived on
    const bool is_cause = other.kind == Kind::crashed || other.kind == Kind::error;
    if (is_cause && other.time < killed.time + kHeartbeats) return true;
  }
  return false;
}

void give_roles(std::vector<Failure>& failures, const std::vector<Rank>& ranks) {
  std::optional<double> first;
  for (auto& failure : failures) {
    failure.role = Role::consequence;
    if (!is_own(failure)) continue;
    if (failure.kind == Kind::killed && was_killed_after(failure, failures, ranks)) {
      failure.role = Role::teardown;
      continue;
    }
    if (!first) first = failure.time;
    if (failure.time <= *first + kTogether) failure.role = Role::root;
  }
  const bool has_other = std::any_of(failures.begin(), failures.end(), [](const auto& failure) {
    return failure.role == Role::root || failure.kind == Kind::watchdog ||
           failure.kind == Kind::peer_lost;
  });
  for (auto& failure : failures) {
    if (failure.kind != Kind::signaled) continue;
    const auto& launched = ranks[failure.index].launched;
    const bool is_teardown = has_other || (launched && launched->asked_to_end);
    failure.role = is_teardown ? Role::teardown : Role::root;
  }
}

}  // namespace

std::vector<Failure> find_failures(const std::vector<Rank>& ranks, bool is_over) {
  std::vector<Failure> failures;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (auto failure = failure_of(ranks[i], is_over)) {
      failure->index = i;
      failures.push_back(std::move(*failure));
    }
  }
  std::stable_sort(failures.begin(), failures.end(),
                   [](const auto& a, const auto& b) { return a.time < b.time; });
  give_roles(failures, ranks);
  return failures;
}

bool has_role(const std::vector<Failure>& failures, Role role) {
  return std::any_of(failures.begin(), failures.end(),
                     [&](const auto& failure) { return failure.role == role; });
}

}  // namespace ripieno::tools::explain
