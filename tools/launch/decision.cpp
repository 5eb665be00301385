#include "ripieno/tools/launch/decision.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <tuple>

#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

constexpr int value(ExitStatus status) { return static_cast<int>(status); }

int status_of(const RankEnd& rank) { return rank.signal != 0 ? 128 + rank.signal : rank.status; }

// The status of the rank that failed first, else that of the whole attempt.
int status_of(const AttemptEnd& end) {
  if (!end.lost.empty()) return value(ExitStatus::peer_lost);
  const auto causes = by_cause(end.ranks);
  return causes.empty() ? end.status : status_of(causes.front());
}

// Whether the failure may be due to the host: not an error that the program itself reported.
bool blames_host(const RankEnd& rank) {
  return !is_consequence(rank) && (rank.signal != 0 || rank.status == value(ExitStatus::memory));
}

void count_failures(const AttemptEnd& end, History& history) {
  for (const auto& host : end.lost) ++history.failures[host];
  history.unavailable.insert(end.lost.begin(), end.lost.end());
  history.unavailable.insert(end.leaving.begin(), end.leaving.end());
  const auto causes = by_cause(end.ranks);
  if (end.lost.empty() && !causes.empty() && blames_host(causes.front()))
    ++history.failures[causes.front().host];
  history.in_vain = end.has_progress ? 0 : history.in_vain + 1;
}

Decision ends_with(int status, std::string reason) {
  return {.restart = false, .status = status, .reason = std::move(reason)};
}

// Whether restarting is possible at all; nullopt if it is.
std::optional<Decision> obstacle(const AttemptEnd& end, int status, const Limits& limits,
                                 const History& history) {
  if (status == 0) return ends_with(0, "finished");
  if (end.stop_requested) return ends_with(status, "stopped on request");
  if (status == value(ExitStatus::run_again) && end.leaving.empty())
    return ends_with(status, "saved and stopped");
  if (is_final(status))
    return ends_with(status, fmt::format("status {} does not go away by a restart", status));
  if (!end.finished_a_step && end.lost.empty() && end.leaving.empty())
    return ends_with(status, "not restarted, because it has not finished one step");
  const bool is_in_vain = history.in_vain > 0 && history.restarts > 0;
  if (is_in_vain &&
      (history.in_vain >= limits.max_in_vain || history.restarts >= limits.max_restarts))
    return ends_with(kNoProgress, fmt::format("no new step in the last {} restart{}",
                                              history.in_vain, history.in_vain == 1 ? "" : "s"));
  if (history.restarts >= limits.max_restarts)
    return ends_with(status,
                     fmt::format("the limit of {} restarts is reached", limits.max_restarts));
  return std::nullopt;
}

// Adds the hosts that satisfy `may_join` and are not in it yet, in the order of `hosts`.
template <typename Condition>
std::vector<Host> joined(const std::vector<Host>& hosts, const std::vector<Host>& chosen,
                         const Condition& may_join) {
  std::vector<Host> all;
  for (const auto& host : hosts) {
    if (std::find(chosen.begin(), chosen.end(), host) != chosen.end() || may_join(host))
      all.push_back(host);
  }
  return all;
}

}  // namespace

bool is_consequence(const RankEnd& rank) {
  return rank.asked_to_end || (rank.signal == 0 && rank.status == value(ExitStatus::peer_lost));
}

std::vector<RankEnd> by_cause(const std::vector<RankEnd>& ranks) {
  std::vector<RankEnd> failed;
  std::copy_if(ranks.begin(), ranks.end(), std::back_inserter(failed),
               [](const RankEnd& rank) { return rank.has_failed(); });
  const auto key = [](const RankEnd& rank) {
    const bool is_silent = rank.signal == 0 && rank.last_words.empty();
    return std::tuple(rank.asked_to_end, is_consequence(rank), is_silent, rank.time, rank.rank);
  };
  std::sort(failed.begin(), failed.end(),
            [&](const RankEnd& a, const RankEnd& b) { return key(a) < key(b); });
  return failed;
}

std::set<std::string> hosts_without_mpirun(const std::vector<RankEnd>& ranks) {
  std::set<std::string> hosts;
  for (const auto& rank : ranks) {
    if (!rank.has_failed()) continue;
    if (!rank.asked_to_end) return {};
    hosts.insert(rank.host);
  }
  return hosts;
}

bool is_final(int status) {
  for (const ExitStatus final :
       {ExitStatus::usage, ExitStatus::data, ExitStatus::software, ExitStatus::ranks_differ,
        ExitStatus::configuration, ExitStatus::diverged}) {
    if (status == value(final)) return true;
  }
  return status == kNoProgress || status == kNotExecutable || status == kNotFound;
}

Decision decide(const AttemptEnd& end, const std::vector<Host>& hosts, const Limits& limits,
                History& history) {
  count_failures(end, history);
  const int status = status_of(end);
  if (auto found = obstacle(end, status, limits, history)) return *found;
  auto remaining = remaining_hosts(hosts, history, limits.min_ranks);
  if (!hosts.empty() && slots_of(remaining) < std::max(1, limits.min_ranks)) {
    return ends_with(
        status,
        fmt::format("the hosts that are left take {} rank{}, --min-ranks is {}",
                    slots_of(remaining), slots_of(remaining) == 1 ? "" : "s", limits.min_ranks));
  }
  ++history.restarts;
  return {.restart = true, .status = status, .hosts = std::move(remaining)};
}

std::vector<Host> remaining_hosts(const std::vector<Host>& hosts, const History& history,
                                  int min_ranks) {
  const auto failures = [&](const Host& host) {
    const auto found = history.failures.find(host.name);
    return found == history.failures.end() ? 0 : found->second;
  };
  const auto is_available = [&](const Host& host) {
    return !history.unavailable.contains(host.name);
  };
  const auto is_short = [&](const std::vector<Host>& chosen) {
    return slots_of(chosen) < std::max(1, min_ranks);
  };
  auto chosen =
      joined(hosts, {}, [&](const Host& host) { return is_available(host) && failures(host) < 2; });
  if (is_short(chosen)) chosen = joined(hosts, chosen, is_available);
  if (is_short(chosen))
    chosen = joined(hosts, chosen, [&](const Host& host) { return failures(host) == 1; });
  return chosen;
}

std::string description(const RankEnd& rank) {
  if (rank.signal == 0) return fmt::format("ended with status {}", rank.status);
  return fmt::format("was killed by signal {} ({})", rank.signal, strsignal(rank.signal));
}

}  // namespace ripieno::tools
