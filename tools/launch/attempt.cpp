#include "ripieno/tools/launch/attempt.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>

#include "ripieno/tools/launch/mpirun/network.h"

namespace ripieno::tools {
namespace {

using std::chrono::milliseconds;

constexpr double kTeardownSeconds = 3;  // for mpirun to end the other ranks
constexpr double kStartSeconds = 30;    // until all ranks have certainly started
constexpr double kFreshSeconds = 3;     // older records say nothing about hosts
constexpr double kOverBudgetSeconds = 60;

std::vector<std::string> names_of(const std::vector<Host>& hosts) {
  std::vector<std::string> names;
  for (const auto& host : hosts) names.push_back(host.name);
  return names;
}

}  // namespace

Attempt::Attempt(LaunchWatch watch, const std::vector<std::string>& words, int ranks,
                 std::vector<Host> hosts)
    : watch_(watch),
      ranks_(ranks),
      hosts_(std::move(hosts)),
      started_(monotonic_seconds()),
      newest_step_before_(watch.run.now().newest_step),
      child_(words, watch.signals.former_mask(), SIGTERM),
      timers_(names_of(hosts_), started_) {}

AttemptEnd Attempt::run() {
  while (!end_ && watch_once())
    wait_for_input({watch_.signals.file(), child_.is_closed() ? -1 : child_.errors()},
                   milliseconds(100));
  const bool ended_by_itself = end_.has_value();
  end_by_force();
  AttemptEnd end = result();
  if (!ended_by_itself && end.lost.empty() && watch_.stop.ends_at_once() == 0) {
    for (const auto& host : hosts_without_mpirun(end.ranks))
      if (!is_this_host(host)) end.lost.push_back(host);
  }
  return end;
}

const std::string& Attempt::listed(const std::string& reported) {
  const auto found = listed_.find(reported);
  if (found != listed_.end()) return found->second;
  return listed_[reported] = listed_name(hosts_, reported);
}

// False if the command must be ended by force.
bool Attempt::watch_once() {
  take_errors();
  take_signals();
  const WatchedRun run = watch_.run.now();
  look_at_ranks(run);
  look_at_hosts(run);
  look_at_notices(run);
  look_at_budget(run);
  pass_stop_on(run);
  const double now = monotonic_seconds();
  const bool is_over_budget =
      watch_.budget.seconds_left(now).value_or(0) < -(kOverBudgetSeconds + 2 * run.save_seconds);
  return !(failed_at_ && now - *failed_at_ > kTeardownSeconds) && !(lost_at_ && now > *lost_at_) &&
         watch_.stop.ends_at_once() == 0 && !is_over_budget;
}

void Attempt::take_errors() {
  const std::string text = child_.read_errors();
  write_errors(text);
  text_.add(text);
  if (text_.lost_hosts().empty() || lost_at_) return;
  for (const auto& host : text_.lost_hosts()) note_lost(host);
  lost_at_ = monotonic_seconds() + kTeardownSeconds;
}

void Attempt::take_signals() {
  while (const auto signal = watch_.signals.next()) {
    if (signal->number == SIGCHLD)
      reap();
    else
      watch_.stop.take_signal(signal->number, monotonic_seconds());
  }
}

// Also processes whose parents have ended: this may be process 1.
void Attempt::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
    if (pid == child_.pid()) end_ = end_of(status);
}

void Attempt::look_at_ranks(const WatchedRun& run) {
  const auto& ended = run.attempt.ended;
  const bool has_failed = std::any_of(ended.begin(), ended.end(),
                                      [](const RankEnd& rank) { return rank.has_failed(); });
  if (has_failed && !failed_at_) failed_at_ = monotonic_seconds();
}

void Attempt::look_at_hosts(const WatchedRun& run) {
  if (hosts_.empty() || monotonic_seconds() - run.read_at > kFreshSeconds) return;
  std::map<std::string, uint64_t> alive;
  for (const auto& [host, count] : run.attempt.alive) alive[listed(host)] = count;
  timers_.update(alive, run.read_at);
  // A host whose ranks have all ended has nothing more to report.
  if (!run.attempt.ended.empty() || watch_.stop.is_asked()) return;
  const bool has_started = run.newest_step > newest_step_before_;
  for (const auto& host : timers_.lost(has_started)) {
    note_lost(host);
    if (!lost_at_) lost_at_ = monotonic_seconds();
  }
}

void Attempt::note_lost(const std::string& host) {
  const std::string name = listed(host);
  if (lost_.insert(name).second) write_remark(fmt::format("host {} is lost", name));
}

void Attempt::look_at_notices(const WatchedRun& run) {
  watch_.warning.consider(run.step_seconds, run.save_seconds);
  if (const auto notice = watch_.notices.notice()) watch_.stop.ask(notice->text());
  for (const auto& [host, text] : run.attempt.notices) {
    const std::string name = listed(host);
    if (leaving_.insert(name).second)
      write_remark(fmt::format("host {}: {}; saving and stopping", name, text));
  }
}

void Attempt::look_at_budget(const WatchedRun& run) {
  const auto left = watch_.budget.seconds_left(monotonic_seconds());
  if (left && must_stop(*left, run.step_seconds, run.save_seconds))
    watch_.stop.ask("the budget is used up");
}

// SIGUSR1 is the signal that mpirun forwards at once. It would end a wrapper that has not started
// yet, so this waits until all have; not forever, since they may be unable to write their records.
void Attempt::pass_stop_on(const WatchedRun& run) {
  const bool is_asked = watch_.stop.is_asked() || !leaving_.empty();
  if (is_stopped_ || !is_asked) return;
  const bool has_started = run.attempt.started.size() >= static_cast<std::size_t>(ranks_) ||
                           monotonic_seconds() - started_ > kStartSeconds;
  if (!has_started) return;
  if (watch_.stop.is_asked())
    write_remark(fmt::format("{}; saving and stopping", watch_.stop.reason()));
  child_.send(SIGUSR1);
  is_stopped_ = true;
}

// Two rounds: a process that is killed first may have been about to start another.
void Attempt::end_by_force() {
  const double until = monotonic_seconds() + 2;
  do {
    const auto pids = descendants();
    for (const pid_t pid : pids) ::kill(pid, SIGKILL);
    take_errors();
    if (pids.empty()) break;
    wait_for_input({watch_.signals.file()}, milliseconds(20));
    take_signals();
    reap();
  } while (monotonic_seconds() < until);
  take_errors();
}

AttemptEnd Attempt::result() {
  const WatchedRun run = watch_.run.refreshed(3);
  AttemptEnd end;
  if (end_) end.status = end_->signal != 0 ? 128 + end_->signal : end_->status;
  end.ranks = run.attempt.ended;
  const auto& killed = text_.killed_rank();
  const auto is_killed = [&](const RankEnd& rank) { return killed && rank.rank == killed->rank; };
  if (killed && std::none_of(end.ranks.begin(), end.ranks.end(), is_killed)) {
    end.ranks.push_back(*killed);
    const auto& started = run.attempt.started;
    const auto found = std::find_if(started.begin(), started.end(), is_killed);
    if (found != started.end()) end.ranks.back().pid = found->pid;
  }
  for (auto& rank : end.ranks) rank.host = listed(rank.host);
  end.lost.assign(lost_.begin(), lost_.end());
  end.leaving.assign(leaving_.begin(), leaving_.end());
  end.stop_requested = watch_.stop.is_asked();
  end.finished_a_step = run.has_finished_a_step;
  end.has_progress = run.newest_step > newest_step_before_;
  return end;
}

}  // namespace ripieno::tools
