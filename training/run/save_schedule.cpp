#include "ripieno/training/run/save_schedule.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ripieno {
namespace {

constexpr double kLargestShare = 0.03;  // of the time, if the rate of failures is unknown

}  // namespace

SaveSchedule::SaveSchedule(const Options& options, int64_t step, double now)
    : options_(options), started_(now) {
  set_next_step(step);
}

bool SaveSchedule::is_due(int64_t step, double now) const {
  if (options_.every) return step >= next_step_;
  return now >= std::min(started_ + interval_for(estimated_cost()), retry_time_);
}

void SaveSchedule::begin(int64_t step, double now) {
  cost_ = estimated_cost();
  if (other_steps_ > 0) usual_step_seconds_ = other_seconds_ / static_cast<double>(other_steps_);
  waited_ = saving_seconds_ = other_seconds_ = 0;
  saving_steps_ = other_steps_ = 0;
  has_saved_ = true;
  started_ = now;
  retry_time_ = std::numeric_limits<double>::infinity();
  set_next_step(step);
}

void SaveSchedule::retry_soon(int64_t step, double now) {
  if (options_.every) {
    next_step_ = std::min(next_step_, step + std::max<int64_t>(1, *options_.every / 10));
  }
  retry_time_ = std::min(retry_time_, now + kShortestSeconds);
}

void SaveSchedule::note_step(double seconds, bool while_saving) {
  (while_saving ? saving_seconds_ : other_seconds_) += seconds;
  ++(while_saving ? saving_steps_ : other_steps_);
}

void SaveSchedule::note_wait(double seconds) { waited_ += seconds; }

void SaveSchedule::set_next_step(int64_t step) {
  if (options_.every) next_step_ = step + *options_.every - step % *options_.every;
}

// The cost of the last save: the time that training waited for it, plus the time by which the steps
// meanwhile were slower than others. Averaged with the previous estimate.
std::optional<double> SaveSchedule::estimated_cost() const {
  if (!has_saved_ || (saving_steps_ == 0 && waited_ == 0)) return cost_;
  const double usual =
      other_steps_ > 0 ? other_seconds_ / static_cast<double>(other_steps_) : usual_step_seconds_;
  double slower = 0;
  if (saving_steps_ > 0)
    slower = std::max(0.0, saving_seconds_ - usual * static_cast<double>(saving_steps_));
  const double cost = waited_ + slower;
  return cost_ ? 0.5 * (*cost_ + cost) : cost;
}

double SaveSchedule::interval_for(std::optional<double> cost) const {
  if (!has_saved_) return kFirstSeconds;
  if (!cost) return kShortestSeconds;
  const double best = options_.failures_per_day > 0
                          ? daly_interval_seconds(*cost, options_.failures_per_day)
                          : *cost / kLargestShare;
  return std::max(best, kShortestSeconds);
}

int64_t saves_between(int64_t step, int64_t last, std::optional<int64_t> every,
                      int64_t best_every) {
  if (step >= last) return 0;
  const auto multiples = [&](int64_t of) { return of > 0 ? (last - 1) / of - step / of : 0; };
  if (!every) return std::min(last - step, 1 + multiples(best_every) + 1);
  int64_t both = 0;  // the least common multiple: counted twice below
  if (best_every > 0 &&
      __builtin_mul_overflow(*every / std::gcd(*every, best_every), best_every, &both))
    both = 0;
  return multiples(*every) + multiples(best_every) - multiples(both) + 1;
}

double daly_interval_seconds(double cost, double failures_per_day) {
  const double between_failures = 86400 / failures_per_day;
  if (cost >= 2 * between_failures) return between_failures;
  const double ratio = cost / (2 * between_failures);
  return std::sqrt(2 * cost * between_failures) * (1 + std::sqrt(ratio) / 3 + ratio / 9) - cost;
}

}  // namespace ripieno
