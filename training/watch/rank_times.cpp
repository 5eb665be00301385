#include "ripieno/training/watch/rank_times.h"

#include <algorithm>
#include <numeric>

namespace ripieno::watch {
namespace {

constexpr int kMostTurns = 16, kEnoughReports = 3, kEnoughSteps = 16;
constexpr double kSlowScore = 1.2, kLostShare = 0.1;

int slots_of(int size) {
  if (size == 1) return 0;
  return std::min(size, std::max(16, (size + kMostTurns - 1) / kMostTurns));
}

double own_work(const RankTimes::Seconds& seconds) {
  const double all = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  return all - seconds[RankTimes::communication_exposed];
}

// The lower of the two in the middle, so that of two ranks the faster one is the measure.
double lower_median(std::vector<double> values) {
  const auto middle = values.begin() + (std::ssize(values) - 1) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

RankTimes::RankTimes(int rank, int size)
    : rank_(rank),
      size_(size),
      slots_(slots_of(size)),
      turns_(size == 1 ? 1 : (size + slots_ - 1) / slots_),
      sums_(static_cast<std::size_t>(slots_) * phases),
      reports_(size == 1 ? 0 : static_cast<std::size_t>(size)) {}

void RankTimes::add(const Seconds& seconds) {
  for (std::size_t i = 0; i < seconds.size(); ++i) since_report_[i] += seconds[i];
  ++steps_since_report_;
}

std::span<int64_t> RankTimes::offer() {
  std::fill(sums_.begin(), sums_.end(), 0);
  if (size_ == 1 || !reports(rank_) || steps_since_report_ == 0) return sums_;
  const auto slot = static_cast<std::size_t>(rank_ % slots_) * phases;
  for (std::size_t i = 0; i < phases; ++i)
    sums_[slot + i] =
        static_cast<int64_t>(since_report_[i] * 1e9 / static_cast<double>(steps_since_report_));
  since_report_ = {};
  steps_since_report_ = 0;
  return sums_;
}

void RankTimes::take() {
  if (size_ == 1) return;
  for (int slot = 0; slot < slots_; ++slot) {
    const int rank = turn_ * slots_ + slot;
    if (rank >= size_) break;
    Reports& reports = reports_[static_cast<std::size_t>(rank)];
    const auto from = sums_.begin() + slot * phases;
    std::copy_n(from, phases,
                reports.nanoseconds[static_cast<std::size_t>(reports.count++ % kReports)].begin());
  }
  turn_ = (turn_ + 1) % turns_;
  ++exchanges_;
}

RankTimes::Seconds RankTimes::median_of(const Reports& reports) const {
  Seconds median = {};
  const auto count = static_cast<std::size_t>(std::min<int64_t>(reports.count, kReports));
  for (std::size_t phase = 0; phase < phases; ++phase) {
    std::array<int64_t, kReports> values;
    for (std::size_t i = 0; i < count; ++i) values[i] = reports.nanoseconds[i][phase];
    std::nth_element(values.begin(), values.begin() + count / 2, values.begin() + count);
    median[phase] = static_cast<double>(values[count / 2]) / 1e9;
  }
  return median;
}

std::optional<RankTimes::Slowest> RankTimes::slowest() const {
  if (size_ == 1 || exchanges_ < std::max(kEnoughSteps, kEnoughReports * turns_))
    return std::nullopt;
  std::vector<Seconds> of_rank;
  std::vector<double> work;
  for (const auto& reports : reports_) {
    of_rank.push_back(median_of(reports));
    work.push_back(own_work(of_rank.back()));
  }
  Slowest found;
  const auto longest = std::max_element(work.begin(), work.end());
  found.rank = static_cast<int>(longest - work.begin());
  found.seconds = of_rank[static_cast<std::size_t>(found.rank)];
  const double median = lower_median(work);
  found.score = median > 0 ? *longest / median : 1;
  for (std::size_t phase = 0; phase < phases; ++phase) {
    std::vector<double> values;
    for (const auto& seconds : of_rank) values.push_back(seconds[phase]);
    found.median[phase] = lower_median(std::move(values));
  }
  const auto more = [&](int phase) {
    if (phase == communication_exposed) return -1.0;
    const auto i = static_cast<std::size_t>(phase);
    return found.seconds[i] - found.median[i];
  };
  for (const int phase : {data, optimizer, checkpoint}) {
    if (more(phase) > more(found.phase)) found.phase = static_cast<Phase>(phase);
  }
  return found;
}

bool RankTimes::Slowest::is_straggler() const {
  const double step = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  return score >= kSlowScore && own_work(seconds) - own_work(median) >= kLostShare * step;
}

}  // namespace ripieno::watch
