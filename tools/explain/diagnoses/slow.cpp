#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "ripieno/io/run/progress.h"
#include "ripieno/tools/explain/diagnoses/slow_steps.h"

namespace ripieno::tools::explain {
namespace {

struct HostCores {
  int64_t cores = 0, threads = 0, ranks = 0;
  std::set<int> processors = {};
};

std::map<std::string, HostCores> cores_of(const RunFacts& run) {
  std::map<std::string, HostCores> hosts;
  for (const auto& rank : run.ranks) {
    auto& host = hosts[rank.host()];
    // Ranks may be bound to cores of their own, or share all of them.
    host.processors.insert(rank.record.processors.begin(), rank.record.processors.end());
    host.cores = std::max<int64_t>({host.cores, rank.record.cores, std::ssize(host.processors)});
    host.threads += std::max(1, rank.record.compute_threads);
    ++host.ranks;
  }
  std::erase_if(hosts, [](const auto& entry) {
    return entry.second.cores <= 0 || entry.second.threads <= entry.second.cores;
  });
  return hosts;
}

bool is_computing(Phase phase) {
  return phase != data && phase != checkpoint && phase != communication;
}

std::vector<Finding> find_slow_rank(const RunFacts& run) {
  const auto times = recent_step_times(run);
  const auto slow = times ? find_straggler(run, *times) : std::nullopt;
  if (!slow || !is_computing(slow->phase) || !sharing_of(run, run.ranks[slow->index]).empty())
    return {};
  return {finding_of(run, *slow, std::string(io::kFlightPhases[slow->phase]))};
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

double mean_share(const std::vector<MetricPoint>& points, std::size_t begin, std::size_t end,
                  const std::string& phase) {
  double sum = 0;
  for (std::size_t i = begin; i < end; ++i) sum += points[i].share(phase);
  return sum / static_cast<double>(std::max<std::size_t>(1, end - begin));
}

// The phase whose share of a step grew most by the change.
std::string grown_phase(const std::vector<MetricPoint>& points, std::size_t index,
                        std::size_t begin, std::size_t end) {
  std::string grown;
  double most = 0;
  for (const char* phase : {"data", "forward", "backward", "communication_exposed", "optimizer"}) {
    const double growth =
        mean_share(points, index, end, phase) - mean_share(points, begin, index, phase);
    if (growth > most) {
      most = growth;
      grown = phase;
    }
  }
  return grown;
}

// The share of a phase on each host before and after a step, from the rings of its ranks.
struct HostShare {
  std::string host;
  double before = 0, after = 0;
};
std::vector<HostShare> shares_of_hosts(const RunFacts& run, int64_t step, Phase phase) {
  struct Sums {
    double phase[2] = {}, total[2] = {};
  };
  std::map<std::string, Sums> hosts;
  for (const auto& rank : run.ranks) {
    auto& sums = hosts[rank.host()];
    for (const auto& taken : rank.record.steps) {
      PhaseSeconds seconds = {};
      std::copy_n(taken.seconds.begin(), std::min(taken.seconds.size(), kPhases), seconds.begin());
      const int side = taken.step >= step;
      sums.phase[side] += seconds[phase];
      sums.total[side] += total_of(seconds);
    }
  }
  std::vector<HostShare> shares;
  for (const auto& [host, sums] : hosts) {
    if (!(sums.total[0] > 0 && sums.total[1] > 0)) continue;
    shares.push_back({host, sums.phase[0] / sums.total[0], sums.phase[1] / sums.total[1]});
  }
  return shares;
}

// The rank that metrics.jsonl names as the slowest in most lines after the change.
int slowest_after(const std::vector<MetricPoint>& points, std::size_t index) {
  constexpr double kSlowScore = 1.2;
  std::map<int, int> votes;
  int lines = 0;
  for (std::size_t i = index; i < points.size(); ++i) {
    if (!points[i].slowest_rank) continue;
    ++lines;
    if (points[i].slowest_score >= kSlowScore) ++votes[*points[i].slowest_rank];
  }
  for (const auto& [rank, count] : votes) {
    if (2 * count > lines) return rank;
  }
  return -1;
}

std::string times_text(double ratio) {
  if (ratio > 1.8 && ratio < 2.2) return "doubled";
  return fmt::format("rose to {:.1f} times what it was", ratio);
}

Phase phase_named(const std::string& name) {
  const auto found = std::find(std::begin(io::kFlightPhases), std::end(io::kFlightPhases), name);
  if (found == std::end(io::kFlightPhases)) return other;
  return static_cast<Phase>(found - std::begin(io::kFlightPhases));
}

std::string word_for(const std::string& phase) {
  return phase == "communication_exposed" ? "communication" : phase;
}

void name_culprit(const RunFacts& run, std::size_t index, const std::string& phase, double before,
                  double after, Finding& finding) {
  constexpr double kStandsOut = 0.1;
  const std::string word = word_for(phase);
  auto shares = shares_of_hosts(run, run.metrics.points[index].step, phase_named(phase));
  std::sort(shares.begin(), shares.end(),
            [](const auto& a, const auto& b) { return a.after - a.before > b.after - b.before; });
  const bool stands_out =
      shares.size() > 1 &&
      (shares[0].after - shares[0].before) - (shares[1].after - shares[1].before) >= kStandsOut;
  if (stands_out) {
    finding.host = shares[0].host;
    finding.text += fmt::format(", when host {}'s share of {} went from {} to {}", shares[0].host,
                                word, percent(shares[0].before), percent(shares[0].after));
    return;
  }
  finding.text += fmt::format(", when the share of {} went from {} to {}", word, percent(before),
                              percent(after));
  const int rank = slowest_after(run.metrics.points, index);
  if (rank < 0) return;
  finding.ranks = {rank};
  finding.text += fmt::format("; since then rank {} has been the slowest", rank);
  if (const Rank* known = run.find(rank)) {
    finding.host = known->host();
    finding.text += fmt::format(" (host {})", known->host());
  }
}

std::vector<Finding> find_slower_steps(const RunFacts& run) {
  const auto& points = run.metrics.points;
  const auto change = find_slowdown(points);
  if (!change) return {};
  constexpr std::size_t kWindow = 64;
  const std::size_t begin = change->index - std::min(change->index, kWindow);
  const std::size_t end = std::min(points.size(), change->index + kWindow);
  // Of a large file only parts were read.
  const char* const about = run.metrics.is_sampled ? "about " : "";
  Finding finding{.text = fmt::format("step time {} at {}step {} ({} to {})",
                                      times_text(change->after / change->before), about,
                                      io::with_thousands(points[change->index].step),
                                      duration(change->before), duration(change->after))};
  const std::string phase = grown_phase(points, change->index, begin, end);
  if (!phase.empty()) {
    finding.phase = word_for(phase);
    name_culprit(run, change->index, phase, mean_share(points, begin, change->index, phase),
                 mean_share(points, change->index, end, phase), finding);
  }
  return {finding};
}

std::vector<Finding> find_oversubscription(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto& [host, cores] : cores_of(run)) {
    found.push_back({.host = host,
                     .text = fmt::format("host {} has {} core{} for {} rank{} with {} compute "
                                         "threads in all",
                                         host, cores.cores, cores.cores == 1 ? "" : "s",
                                         cores.ranks, cores.ranks == 1 ? "" : "s", cores.threads)});
  }
  return found;
}

constexpr Diagnosis kDiagnoses[] = {
    {"R-SLOW-01", "a rank computes more slowly than the others", Stage::slow,
     "look at that host: clock rate and temperature (`nvidia-smi -q -d PERFORMANCE`, `turbostat`), "
     "other processes, memory errors; leave it out of the host file, or start it again",
     find_slow_rank},
    {"R-SLOW-02", "steps take longer since a certain step", Stage::slow,
     "look for what changed then on the host or in the phase that it names: the host's log, the "
     "network, other jobs",
     find_slower_steps},
    {"R-SLOW-03", "more compute threads than cores", Stage::slow,
     "start fewer ranks on that host (slots in the host file), or give --threads",
     find_oversubscription},
};

}  // namespace

std::string duration(double seconds) {
  if (seconds >= 1) return fmt::format("{:.3g} s", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.3g} ms", seconds * 1e3);
  return fmt::format("{:.3g} µs", seconds * 1e6);
}

bool is_oversubscribed(const RunFacts& run) { return !cores_of(run).empty(); }

Finding finding_of(const RunFacts& run, const Straggler& slow, const std::string& what) {
  const Rank& rank = run.ranks[slow.index];
  Finding finding{.ranks = {rank.number()}, .host = rank.host(), .phase = what};
  std::string subject = who(rank) + " takes";
  if (!slow.same_host.empty()) {
    finding.ranks = slow.same_host;
    subject = fmt::format("host {} ({}) takes", rank.host(), ranks_text(slow.same_host));
  }
  finding.text = fmt::format(
      "{} {:.1f} times as long for its own part of a step as the median rank, most of it in {} "
      "({} instead of {}); the others lose {:.0f} % of each step by waiting",
      subject, slow.score, what, duration(slow.seconds), duration(slow.usual), 100 * slow.lost);
  return finding;
}

std::span<const Diagnosis> slow_diagnoses() { return kDiagnoses; }

}  // namespace ripieno::tools::explain
