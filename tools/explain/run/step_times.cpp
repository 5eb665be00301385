#include "ripieno/tools/explain/run/step_times.h"

#include <algorithm>
#include <numeric>

namespace ripieno::tools::explain {
namespace {

constexpr std::ptrdiff_t kRecent = 64, kLeast = 8;
constexpr double kSlowScore = 1.2, kLostShare = 0.1, kLeastSeconds = 0.001;

double lower_median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + (std::ssize(values) - 1) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

using Steps = std::vector<io::FlightStep>;

double at(const io::FlightStep& step, std::size_t phase) {
  const double seconds = phase < step.seconds.size() ? step.seconds[phase] : 0;
  return seconds > 0 && seconds < 1e9 ? seconds : 0;
}

PhaseSeconds seconds_of(const io::FlightStep& step) {
  PhaseSeconds seconds;
  for (std::size_t phase = 0; phase < kPhases; ++phase) seconds[phase] = at(step, phase);
  return seconds;
}

// Without the step with the most work of its own.
PhaseSeconds mean_of_last(const Steps& steps, std::ptrdiff_t count) {
  PhaseSeconds sums = {}, longest = {};
  for (auto step = steps.end() - count; step != steps.end(); ++step) {
    const auto seconds = seconds_of(*step);
    if (own_of(seconds) >= own_of(longest)) longest = seconds;
    for (std::size_t phase = 0; phase < kPhases; ++phase) sums[phase] += seconds[phase];
  }
  for (std::size_t phase = 0; phase < kPhases; ++phase)
    sums[phase] = std::max(0.0, sums[phase] - longest[phase]) / static_cast<double>(count - 1);
  return sums;
}

std::vector<double> column(const std::vector<PhaseSeconds>& rows, std::size_t phase) {
  std::vector<double> values;
  for (const auto& row : rows) values.push_back(row[phase]);
  return values;
}

}  // namespace

double total_of(const PhaseSeconds& seconds) {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) - seconds[validation];
}

double own_of(const PhaseSeconds& seconds) { return total_of(seconds) - seconds[communication]; }

double share_of(const PhaseSeconds& seconds, Phase phase) {
  const double total = total_of(seconds);
  return total > 0 ? seconds[phase] / total : 0;
}

double StepTimes::least_share(Phase phase) const {
  double least = 1;
  for (const auto& seconds : of_rank) least = std::min(least, share_of(seconds, phase));
  return least;
}

double StepTimes::middle_share(Phase phase) const {
  std::vector<double> shares;
  for (const auto& seconds : of_rank) shares.push_back(share_of(seconds, phase));
  return lower_median(std::move(shares));
}

std::optional<StepTimes> recent_step_times(const RunFacts& run) {
  if (run.ranks.empty()) return std::nullopt;
  std::ptrdiff_t least = kRecent;
  for (const auto& rank : run.ranks) least = std::min(least, std::ssize(rank.record.steps));
  if (least < kLeast) return std::nullopt;
  const std::ptrdiff_t count = least < kRecent ? least - 1 : least;  // the first is slow
  StepTimes times{.steps = static_cast<int>(count)};
  for (const auto& rank : run.ranks)
    times.of_rank.push_back(mean_of_last(rank.record.steps, count));
  for (std::size_t phase = 0; phase < kPhases; ++phase)
    times.median[phase] = lower_median(column(times.of_rank, phase));
  return times;
}

std::optional<Straggler> find_straggler(const RunFacts& run, const StepTimes& times) {
  if (times.of_rank.size() < 2) return std::nullopt;
  std::vector<double> own;
  for (const auto& seconds : times.of_rank) own.push_back(own_of(seconds));
  const double usual = lower_median(own);
  const auto longest = std::max_element(own.begin(), own.end());
  Straggler found{.index = static_cast<std::size_t>(longest - own.begin())};
  const auto& seconds = times.of_rank[found.index];
  const double excess = *longest - usual;
  if (usual <= 0 || *longest < kSlowScore * usual || excess < kLeastSeconds) return std::nullopt;
  found.score = *longest / usual;
  found.lost = excess / std::max(total_of(seconds), *longest);
  if (found.lost < kLostShare) return std::nullopt;
  for (const Phase phase : {data, forward, backward, optimizer, checkpoint, other}) {
    const auto more = [&](Phase of) { return seconds[of] - times.median[of]; };
    if (more(phase) > more(found.phase)) found.phase = phase;
  }
  found.seconds = seconds[found.phase];
  found.usual = times.median[found.phase];
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (run.ranks[i].host() != run.ranks[found.index].host()) continue;
    if (own[i] < kSlowScore * usual) {
      found.same_host.clear();
      break;
    }
    found.same_host.push_back(run.ranks[i].number());
  }
  if (found.same_host.size() < 2) found.same_host.clear();
  return found;
}

}  // namespace ripieno::tools::explain
