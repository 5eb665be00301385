#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "ripieno/tools/explain/diagnoses/deaths.h"
#include "ripieno/tools/explain/diagnoses/slow_steps.h"
#include "ripieno/tools/explain/diagnoses/suspects.h"

namespace ripieno::tools::explain {
namespace {

std::vector<Finding> find_cut_off(const RunFacts& run) {
  const double seconds = cut_off_seconds(run);
  if (seconds == 0) return {};
  std::set<std::string> hosts;
  Finding finding{.phase = "communication", .time = static_cast<double>(run.end()) / 1e9 - seconds};
  for (const auto& rank : run.ranks) {
    hosts.insert(rank.host());
    finding.ranks.push_back(rank.number());
  }
  const auto* event = io::current_event(run.ranks.front().record);
  finding.text = fmt::format(
      "all {} ranks were in collectives for {:.0f} s when the job was ended (rank {} in {}): the "
      "network between {} hosts does not deliver, or one of them was lost",
      finding.ranks.size(), seconds, finding.ranks.front(), io::name_of(*event), hosts.size());
  return {finding};
}

std::vector<Finding> find_stuck_collective(const RunFacts& run) {
  if (auto found = find_cut_off(run); !found.empty()) return found;
  const bool is_together = run.stall.kind == io::Stall::Kind::collective && is_stalled(run);
  if (!is_together || !find_suspects(run).empty() || run.stall.waiting.size() < 2) return {};
  std::set<std::string> hosts;
  int64_t since = 0;
  for (const int number : run.stall.waiting) {
    const Rank* rank = run.find(number);
    if (!rank) continue;
    hosts.insert(rank->host());
    since = std::max(since, phase_since(rank->record));
  }
  const bool is_now = run.state == State::running;
  return {{.ranks = run.stall.waiting,
           .host = hosts.size() == 1 ? *hosts.begin() : "",
           .phase = "communication",
           .text = fmt::format("{} {} in {} for {:.0f} s, and it does not complete: the network "
                               "between {} does not deliver",
                               ranks_text(run.stall.waiting), is_now ? "have been" : "were",
                               io::name_of(run.stall.collective),
                               (static_cast<double>(run.end()) - static_cast<double>(since)) / 1e9,
                               hosts.size() == 1 ? "the processes of one host"
                                                 : fmt::format("{} hosts", hosts.size())),
           .time = static_cast<double>(since) / 1e9}};
}

// The host that has sent most TCP segments again, if it stands out.
std::string resent_by(const RunFacts& run) {
  std::map<std::string, int64_t> hosts;
  for (const auto& rank : run.ranks) {
    auto& count = hosts[rank.host()];
    count = std::max(count, rank.record.heartbeat.retransmitted.value_or(0));
  }
  const auto by_count = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto most = std::max_element(hosts.begin(), hosts.end(), by_count);
  if (hosts.size() < 2) return "";
  int64_t next = 0;
  for (const auto& [host, count] : hosts) {
    if (host != most->first) next = std::max(next, count);
  }
  constexpr int64_t kMany = 100, kTimes = 5;
  if (most->second < kMany || most->second < kTimes * next) return "";
  return fmt::format("; host {} has sent {} TCP segments again, the others at most {}", most->first,
                     most->second, next);
}

// The fastest rank's rate of the largest kind of collective, in MB/s, as text.
std::string rate_of(const RunFacts& run) {
  const io::FlightEvent* largest = nullptr;
  for (const auto& rank : run.ranks) {
    for (const auto& event : rank.record.events) {
      if (event.is_collective && event.end > event.start && !event.has_failed &&
          (!largest || event.bytes > largest->bytes))
        largest = &event;
    }
  }
  if (!largest || largest->bytes < 1 << 16) return "";
  double fastest = 0;
  for (const auto& rank : run.ranks) {
    for (const auto& event : rank.record.events) {
      if (!event.is_collective || event.bytes != largest->bytes || event.end <= event.start)
        continue;
      const auto nanoseconds = static_cast<double>(event.end) - static_cast<double>(event.start);
      fastest = std::max(fastest, static_cast<double>(event.bytes) / nanoseconds * 1e3);
    }
  }
  return fmt::format("; {} of {:.1f} MB proceeds at {:.0f} MB/s at best", largest->name,
                     static_cast<double>(largest->bytes) / 1e6, fastest);
}

std::vector<Finding> find_slow_network(const RunFacts& run) {
  constexpr double kShare = 0.5, kLeastShare = 0.3, kLeastSeconds = 0.02;
  const auto times = recent_step_times(run);
  if (!times || run.ranks.size() < 2 || is_oversubscribed(run)) return {};
  const double share = times->middle_share(communication);
  const bool is_slow = share >= kShare && times->least_share(communication) >= kLeastShare &&
                       times->median[communication] >= kLeastSeconds;
  if (!is_slow) return {};
  return {{.phase = "communication",
           .text = fmt::format("communication takes {:.0f} % of the step on all ranks ({} of {})"
                               "{}{}",
                               100 * share, duration(times->median[communication]),
                               duration(total_of(times->median)), rate_of(run), resent_by(run))}};
}

// Whether the communicator is of this run.
bool is_ours(const RunFacts& run, const NcclCommunicator& communicator) {
  return std::any_of(communicator.ranks.begin(), communicator.ranks.end(), [&](const auto& rank) {
    return std::any_of(run.ranks.begin(), run.ranks.end(),
                       [&](const auto& ours) { return ours.record.process == rank.process; });
  });
}

std::vector<Finding> find_missing_in_nccl(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto& communicator : run.nccl.communicators) {
    if (!is_ours(run, communicator)) continue;
    for (const auto& missing : communicator.missing) {
      const Rank* rank = run.find(missing.rank);
      found.push_back(
          {.ranks = {missing.rank},
           .host = rank ? rank->host() : "",
           .phase = "communication",
           .text = fmt::format("NCCL's RAS service {} rank {} (pid {}) of a communicator of {} "
                               "ranks",
                               missing.is_dead ? "considers dead" : "gets no answer from",
                               missing.rank, missing.process, communicator.size)});
    }
    for (const auto& rank : communicator.ranks) {
      if (rank.async_error == 0) continue;
      const Rank* ours = run.find(rank.rank);
      found.push_back({.ranks = {rank.rank},
                       .host = ours ? ours->host() : "",
                       .phase = "communication",
                       .text = fmt::format("NCCL reports error {} on rank {} (pid {})",
                                           rank.async_error, rank.rank, rank.process)});
    }
  }
  return found;
}

std::vector<Finding> find_behind_in_nccl(const RunFacts& run) {
  std::vector<Finding> found;
  if (!is_stalled(run)) return found;
  for (const auto& communicator : run.nccl.communicators) {
    if (!is_ours(run, communicator)) continue;
    std::map<std::string, uint64_t> most;
    for (const auto& rank : communicator.ranks) {
      for (const auto& [operation, count] : rank.collectives)
        most[operation] = std::max(most[operation], count);
    }
    for (const auto& rank : communicator.ranks) {
      for (const auto& [operation, count] : rank.collectives) {
        if (count == most[operation]) continue;
        found.push_back({.role = Role::consequence,
                         .ranks = {rank.rank},
                         .phase = "communication",
                         .text = fmt::format("by NCCL's count, rank {} has called {} {} times, "
                                             "another rank {} times",
                                             rank.rank, operation, count, most[operation])});
      }
    }
  }
  return found;
}

constexpr std::string_view kCable =
    "check the links between the hosts (`ping`, `ip -s link`, `iperf3`, the switch), and that the "
    "chosen interface is the fast one (btl_tcp_if_include, NCCL_SOCKET_IFNAME)";

constexpr Diagnosis kDiagnoses[] = {
    {"R-NET-01", "a collective does not complete", Stage::stall, kCable, find_stuck_collective},
    {"R-NET-02", "communication takes most of the step", Stage::slow,
     "check the rate of the links (`iperf3`) and the chosen interface; send less: larger "
     "train.batch_size, parallel.wire=bfloat16, parallel.power_sgd_rank, parallel.diloco_steps",
     find_slow_network},
    {"R-NET-03", "NCCL misses a rank", Stage::stall, kCable, find_missing_in_nccl},
    {"R-NET-04", "a rank has called fewer collectives, by NCCL's count", Stage::stall,
     "see the diagnosis of that rank; its process says where it is: stacks.txt, or `gdb -p PID`",
     find_behind_in_nccl},
};

}  // namespace

std::span<const Diagnosis> network_diagnoses() { return kDiagnoses; }

}  // namespace ripieno::tools::explain
