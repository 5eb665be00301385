// Budget: what a launch may use, and what it has used.
#pragma once

#include <optional>
#include <string>

namespace ripieno::tools {

struct Prices {
  double per_gpu_hour = 0;  // or, without GPUs, per rank and hour
  double per_host_hour = 0;
};

struct BudgetLimits {
  std::optional<double> hours = {}, usd = {};
};

// Sums up time and money. Time between attempts counts with the hosts of the attempt before it.
class Budget {
 public:
  Budget(const BudgetLimits& limits, const Prices& prices) : limits_(limits), prices_(prices) {}

  // From `now` (seconds, monotonic) on, so many ranks and hosts are paid for.
  void use(int ranks, int hosts, double now);

  double hours_at(double now) const;
  double usd_at(double now) const;
  // Seconds until the first limit is reached at the present rate; nullopt without limits.
  std::optional<double> seconds_left(double now) const;

  // "0.52 hours, 12.48 USD"; without a price, only the hours.
  std::string spent(double now) const;

 private:
  double usd_per_second() const;

  BudgetLimits limits_;
  Prices prices_;
  int ranks_ = 0, hosts_ = 0;
  std::optional<double> since_;   // of the present rate
  double seconds_ = 0, usd_ = 0;  // until then
};

// Whether the run must be asked to stop now, so that it ends in time: when the time left is that of
// two steps and a save, half of it as a reserve, and a second. `step_seconds`, `save_seconds`: of
// the slowest ones so far.
bool must_stop(double seconds_left, double step_seconds, double save_seconds);

}  // namespace ripieno::tools
