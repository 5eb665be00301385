#include "ripieno/training/watch/rank_times.h"

#include <algorithm>
#include <numeric>

namespace ripieno::watch {
namespace {

constexpr int kMostTurns = 16, kEnoughReports = 3, kEnoughSteps = 16;
constexpr double kSlowScore = 1.2, kLostShare = 0.1;
// Of communication that is slow; as R-NET-02 of `ripieno explain`.
constexpr double kShare = 0.5, kLeastShare = 0.3, kLeastSeconds = 0.02, kMostWait = 0.25;

int slots_of(int size) {
  if (size == 1) return 0;
  return std::min(size, std::max(16, (size + kMostTurns - 1) / kMostTurns));
}

double total(const RankTimes::Seconds& seconds) {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

double own_work(const RankTimes::Seconds& seconds) {
  return total(seconds) - seconds[RankTimes::communication_exposed];
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
      sums_(static_cast<std::size_t>(slots_) * kNumbers),
      reports_(size == 1 ? 0 : static_cast<std::size_t>(size)) {}

void RankTimes::add(const Seconds& seconds) {
  for (std::size_t i = 0; i < seconds.size(); ++i) since_report_[i] += seconds[i];
  ++steps_since_report_;
}

std::span<int64_t> RankTimes::offer() {
  std::fill(sums_.begin(), sums_.end(), 0);
  if (size_ == 1 || !reports(rank_) || steps_since_report_ == 0) return sums_;
  const auto slot = static_cast<std::size_t>(rank_ % slots_) * kNumbers;
  for (std::size_t i = 0; i < kNumbers; ++i)
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
    const auto from = sums_.begin() + slot * static_cast<std::ptrdiff_t>(kNumbers);
    std::copy_n(from, kNumbers,
                reports.nanoseconds[static_cast<std::size_t>(reports.count++ % kReports)].begin());
  }
  turn_ = (turn_ + 1) % turns_;
  ++exchanges_;
}

RankTimes::Means RankTimes::means_of(const Reports& reports) {
  const auto count = static_cast<std::size_t>(std::min<int64_t>(reports.count, kReports));
  Seconds sums = {}, longest = {};
  double waited = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Seconds seconds;
    for (std::size_t phase = 0; phase < phases; ++phase)
      seconds[phase] = static_cast<double>(reports.nanoseconds[i][phase]) / 1e9;
    if (own_work(seconds) >= own_work(longest)) longest = seconds;
    for (std::size_t phase = 0; phase < phases; ++phase) sums[phase] += seconds[phase];
    waited += static_cast<double>(reports.nanoseconds[i][phases]) / 1e9;
  }
  Means means;
  if (total(sums) > 0) means.processor_wait = std::min(1.0, waited / total(sums));
  for (std::size_t phase = 0; phase < phases; ++phase)
    means.seconds[phase] = (sums[phase] - longest[phase]) / static_cast<double>(count - 1);
  return means;
}

std::vector<RankTimes::Means> RankTimes::means() const {
  std::vector<Means> of_rank;
  for (const auto& reports : reports_) of_rank.push_back(means_of(reports));
  return of_rank;
}

bool RankTimes::is_known() const {
  return size_ > 1 && exchanges_ >= std::max(kEnoughSteps, kEnoughReports * turns_);
}

std::optional<RankTimes::Slowest> RankTimes::slowest() const {
  if (!is_known()) return std::nullopt;
  const auto of_rank = means();
  std::vector<double> work;
  for (const auto& rank : of_rank) work.push_back(own_work(rank.seconds));
  Slowest found;
  const auto longest = std::max_element(work.begin(), work.end());
  found.rank = static_cast<int>(longest - work.begin());
  const auto& slow = of_rank[static_cast<std::size_t>(found.rank)];
  found.seconds = slow.seconds;
  found.processor_wait = slow.processor_wait;
  const double median = lower_median(work);
  found.score = median > 0 ? *longest / median : 1;
  for (std::size_t phase = 0; phase < phases; ++phase) {
    std::vector<double> values;
    for (const auto& rank : of_rank) values.push_back(rank.seconds[phase]);
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

std::optional<RankTimes::Communication> RankTimes::communication() const {
  if (!is_known()) return std::nullopt;
  std::vector<double> shares, seconds, steps;
  Communication found;
  for (const auto& rank : means()) {
    const double step = total(rank.seconds), spent = rank.seconds[communication_exposed];
    shares.push_back(step > 0 ? spent / step : 0);
    seconds.push_back(spent);
    steps.push_back(step);
    found.processor_wait = std::max(found.processor_wait, rank.processor_wait);
  }
  found.least_share = *std::min_element(shares.begin(), shares.end());
  found.share = lower_median(std::move(shares));
  found.seconds = lower_median(std::move(seconds));
  found.step = lower_median(std::move(steps));
  return found;
}

bool RankTimes::Slowest::is_straggler() const {
  return score >= kSlowScore && own_work(seconds) - own_work(median) >= kLostShare * total(seconds);
}

bool RankTimes::Communication::is_slow() const {
  return share >= kShare && least_share >= kLeastShare && seconds >= kLeastSeconds &&
         processor_wait < kMostWait;
}

}  // namespace ripieno::watch
