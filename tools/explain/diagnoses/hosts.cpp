#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ripieno/tools/explain/diagnoses/deaths.h"
#include "ripieno/tools/explain/diagnoses/slow_steps.h"
#include "ripieno/tools/explain/run/step_times.h"

namespace ripieno::tools::explain {
namespace {

double seconds_of(int64_t unix_time) { return static_cast<double>(unix_time) / 1e9; }

// The silent ranks of each host of which no rank lives.
std::map<std::string, std::vector<const Rank*>> lost_hosts(const RunFacts& run) {
  std::map<std::string, std::vector<const Rank*>> hosts;
  if (run.state == State::running) {
    for (const auto& rank : run.ranks) {
      if (rank.life == Life::silent) hosts[rank.host()].push_back(&rank);
    }
    for (const auto& rank : run.ranks) {
      if (rank.life != Life::silent) hosts.erase(rank.host());
    }
  }
  for (const auto* failure : deaths_of(run, Death::host_lost)) {
    const Rank& rank = run.ranks[failure->index];
    hosts[rank.host()].push_back(&rank);
  }
  return hosts;
}

// A host file may name it with its domain.
bool is_same_host(const std::string& a, const std::string& b) {
  return a.substr(0, a.find('.')) == b.substr(0, b.find('.'));
}

std::vector<Finding> find_hosts_that_launch_lost(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto& host : run.launch.lost) {
    Finding finding{.host = host, .time = seconds_of(run.end())};
    for (const auto& rank : run.ranks) {
      if (!is_same_host(rank.host(), host)) continue;
      finding.ranks.push_back(rank.number());
      finding.phase = phase_of(rank.record);
      finding.time = seconds_of(rank.record.heartbeat.unix_time);
    }
    if (finding.ranks.empty()) continue;
    finding.text = fmt::format("host {} was lost ({}), as `ripieno launch` noticed", host,
                               ranks_text(finding.ranks));
    found.push_back(std::move(finding));
  }
  return found;
}

std::vector<Finding> find_lost_hosts(const RunFacts& run) {
  std::vector<Finding> found = find_hosts_that_launch_lost(run);
  if (!found.empty()) return found;
  for (const auto& [host, ranks] : lost_hosts(run)) {
    std::vector<int> numbers;
    int64_t last = 0;
    for (const auto* rank : ranks) {
      numbers.push_back(rank->number());
      last = std::max(last, rank->record.heartbeat.unix_time);
    }
    const bool is_now = run.state == State::running;
    found.push_back(
        {.ranks = numbers,
         .host = host,
         .phase = phase_of(ranks.front()->record),
         .text = fmt::format("host {} was lost ({}): no heartbeat for {:.0f} s{}, while other "
                             "hosts {} on",
                             host, ranks_text(numbers), seconds_of(run.end()) - seconds_of(last),
                             is_now ? "" : " before the run ended", is_now ? "live" : "lived"),
         .time = seconds_of(last)});
  }
  return found;
}

std::vector<Finding> find_notices(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto& [host, notice] : run.launch.notices) {
    Finding finding{.host = host,
                    .text = fmt::format("host {} is being preempted: {}", host,
                                        notice.substr(0, notice.find('\n')))};
    for (const auto& rank : run.ranks) {
      if (rank.host() == host) finding.ranks.push_back(rank.number());
    }
    found.push_back(std::move(finding));
  }
  return found;
}

std::vector<Finding> find_killed_from_outside(const RunFacts& run) {
  const auto killed = deaths_of(run, Death::outside);
  std::vector<Finding> found;
  const bool is_everything = killed.size() > 1 && killed.size() == run.ranks.size();
  if (is_everything) {
    Finding finding = finding_of(run, *killed.front(), "");
    for (const auto* failure : killed) {
      if (failure != killed.front()) finding.ranks.push_back(run.ranks[failure->index].number());
    }
    std::sort(finding.ranks.begin(), finding.ranks.end());
    finding.text = fmt::format(
        "all {} ranks ended at the same time {}: killed by signal 9, as with an mpirun that is "
        "killed, or their hosts lost power; there is no sign of a shortage of memory",
        finding.ranks.size(), step_text(run, *killed.front()));
    return {finding};
  }
  for (const auto* failure : killed) {
    found.push_back(finding_of(
        run, *failure,
        fmt::format("{} was killed by signal 9 {}, from outside: there is no sign of a shortage "
                    "of memory",
                    who(run.ranks[failure->index]), step_text(run, *failure))));
  }
  return found;
}

std::vector<Finding> find_signals(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto* failure : failures_of(run, Role::root, Failure::Kind::signaled)) {
    const Rank& rank = run.ranks[failure->index];
    const auto same = std::find_if(found.begin(), found.end(), [&](const auto& other) {
      return other.host == signal_text(failure->signal);
    });
    if (same != found.end()) {
      same->ranks.push_back(rank.number());
      continue;
    }
    found.push_back(finding_of(run, *failure, step_text(run, *failure)));
    found.back().host = signal_text(failure->signal);  // until all ranks are known
  }
  for (auto& finding : found) {
    std::sort(finding.ranks.begin(), finding.ranks.end());
    finding.text = fmt::format(
        "{} ended by {} {}, which came from outside: a scheduler, a time limit or a user",
        ranks_text(finding.ranks) + (finding.ranks.size() == 1 ? " was" : " were"), finding.host,
        finding.text);
    const Rank* rank = run.find(finding.ranks.front());
    finding.host = rank ? rank->host() : "";
  }
  return found;
}

constexpr double kThrottledShare = 0.1, kWaitShare = 0.1, kBusyShare = 0.9;
constexpr double kSwitchesPerSecond = 50, kMoreSwitches = 5;

double elapsed(const Rank& rank) {
  return std::max(1.0, seconds_of(last_known(rank)) - seconds_of(rank.record.started_unix));
}

double switches_per_second(const Rank& rank) {
  return static_cast<double>(rank.record.heartbeat.involuntary_switches) / elapsed(rank);
}

// Whether threads of the rank itself keep its cores busy.
bool uses_its_cores(const Rank& rank) {
  const int cores = std::max(1, rank.record.cores);
  return rank.record.heartbeat.cpu_seconds >= kBusyShare * cores * elapsed(rank);
}

std::vector<Finding> find_shared_cores(const RunFacts& run) {
  const auto times = recent_step_times(run);
  const auto slow = times ? find_straggler(run, *times) : std::nullopt;
  std::vector<Finding> found;
  for (std::size_t i = 0; i < run.ranks.size(); ++i) {
    const Rank& rank = run.ranks[i];
    const bool is_slow = slow && slow->index == i;
    const bool is_throttled =
        rank.record.heartbeat.throttled_seconds.value_or(0) >= kThrottledShare * elapsed(rank);
    if (!is_slow && !is_throttled) continue;
    const std::string evidence = sharing_of(run, rank);
    if (evidence.empty()) continue;
    std::string text =
        fmt::format("{} does not have its cores for itself: {}", who(rank), evidence);
    if (is_slow) {
      text += fmt::format(
          "; it takes {:.1f} times as long as the median rank, which costs the "
          "others {:.0f} % of each step",
          slow->score, 100 * slow->lost);
    }
    found.push_back({.ranks = {rank.number()},
                     .host = rank.host(),
                     .phase = is_slow ? std::string(io::kFlightPhases[slow->phase]) : "",
                     .text = text});
  }
  return found;
}

constexpr std::string_view kResume = "the same command resumes from the newest checkpoint";

constexpr Diagnosis kDiagnoses[] = {
    {"R-HOST-01", "a host was lost", Stage::failure,
     "check the host's power, network and kernel log; leave it out of the host file if it fails "
     "again; the same command resumes on any number of ranks",
     find_lost_hosts},
    {"R-HOST-02", "a host is being preempted", Stage::caution,
     "save and stop (SIGUSR1 to mpirun) unless `ripieno launch` does; resume on other hosts",
     find_notices},
    {"R-HOST-03", "killed from outside", Stage::failure,
     "look for who sent it: the scheduler's log, `dmesg` of the host (the kernel's out-of-memory "
     "killer), a user; the same command resumes from the newest checkpoint",
     find_killed_from_outside},
    {"R-HOST-04", "ended by a signal from outside", Stage::failure, kResume, find_signals},
    {"R-HOST-05", "a rank shares its cores", Stage::slow,
     "find the other processes on that host (`top`), give the job whole cores, or lower --threads "
     "to what the quota allows",
     find_shared_cores},
};

}  // namespace

std::string sharing_of(const RunFacts& run, const Rank& rank) {
  const double throttled = rank.record.heartbeat.throttled_seconds.value_or(0) / elapsed(rank);
  if (throttled >= kThrottledShare) {
    return fmt::format("its container's processor quota held it back for {:.0f} of {:.0f} s",
                       *rank.record.heartbeat.throttled_seconds, elapsed(rank));
  }
  if (rank.record.recent_processor_wait >= kWaitShare && !uses_its_cores(rank)) {
    return fmt::format("it waited {:.0f} % of its time for a processor, which other processes used",
                       100 * rank.record.recent_processor_wait);
  }
  std::vector<double> others;
  for (const auto& other : run.ranks) {
    if (&other != &rank) others.push_back(switches_per_second(other));
  }
  if (others.empty()) return "";
  std::nth_element(others.begin(), others.begin() + std::ssize(others) / 2, others.end());
  const double usual = others[others.size() / 2], own = switches_per_second(rank);
  if (own < kSwitchesPerSecond || own < kMoreSwitches * usual) return "";
  return fmt::format("it lost the processor {:.0f} times per second, a usual rank {:.0f} times",
                     own, usual);
}

std::span<const Diagnosis> host_diagnoses() { return kDiagnoses; }

}  // namespace ripieno::tools::explain
