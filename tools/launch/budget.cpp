#include "ripieno/tools/launch/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace ripieno::tools {

void Budget::use(int ranks, int hosts, double now) {
  if (since_) {
    usd_ += usd_per_second() * (now - *since_);
    seconds_ += now - *since_;
  }
  since_ = now;
  ranks_ = ranks;
  hosts_ = hosts;
}

double Budget::usd_per_second() const {
  return (prices_.per_gpu_hour * ranks_ + prices_.per_host_hour * hosts_) / 3600;
}

double Budget::hours_at(double now) const {
  return (seconds_ + (since_ ? now - *since_ : 0)) / 3600;
}

double Budget::usd_at(double now) const {
  return usd_ + (since_ ? usd_per_second() * (now - *since_) : 0);
}

std::optional<double> Budget::seconds_left(double now) const {
  double left = std::numeric_limits<double>::infinity();
  if (limits_.hours) left = std::min(left, 3600 * (*limits_.hours - hours_at(now)));
  if (limits_.usd && usd_per_second() > 0)
    left = std::min(left, (*limits_.usd - usd_at(now)) / usd_per_second());
  if (left == std::numeric_limits<double>::infinity()) return std::nullopt;
  return left;
}

std::string Budget::spent(double now) const {
  const std::string hours = fmt::format("{:.2f} hours", hours_at(now));
  if (prices_.per_gpu_hour == 0 && prices_.per_host_hour == 0) return hours;
  return fmt::format("{}, {:.2f} USD", hours, usd_at(now));
}

bool must_stop(double seconds_left, double step_seconds, double save_seconds) {
  return seconds_left <= 1.5 * (2 * step_seconds + save_seconds) + 1;
}

}  // namespace ripieno::tools
