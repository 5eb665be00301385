#include "ripieno/core/optim/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ripieno/core/error.h"
#include "ripieno/core/optim/option_check.h"

namespace ripieno::optim {
namespace {

// The fraction of the steps from `begin` to `end` that are done at `step`, in [0, 1].
double progress(int64_t step, int64_t begin, int64_t end) {
  if (end <= begin) return step < end ? 0.0 : 1.0;
  // In double, since any two numbers of steps are accepted.
  const double first = static_cast<double>(begin);
  const double fraction = (static_cast<double>(step) - first) / (static_cast<double>(end) - first);
  return std::clamp(fraction, 0.0, 1.0);
}

void require_steps(const char* name, int64_t value) {
  if (value >= 0) return;
  throw ConfigurationError(fmt::format("schedule: {} is {}; it must be at least 0", name, value));
}

}  // namespace

void check(const Schedule& schedule) {
  using Kind = Schedule::Kind;
  if (schedule.peak) require_not_negative("schedule", "peak", *schedule.peak);
  require_not_negative("schedule", "final", schedule.final);
  const bool ends = schedule.kind != Kind::constant;
  if (ends && schedule.steps < 1)
    throw ConfigurationError(
        fmt::format("schedule: steps is {}, so every step would have the final learning rate; it "
                    "must be at least 1, usually the number of steps of the run",
                    schedule.steps));
  require_steps("warmup_steps", schedule.warmup_steps);
  require_steps("decay_steps", schedule.decay_steps);
}

double Schedule::at(int64_t step) const {
  check(*this);
  if (!peak)
    throw ConfigurationError(
        "schedule: peak is not set; set it to the highest learning rate, or pass the schedule to a "
        "Run, which takes that of the optimizer");
  if (step <= warmup_steps) {
    return *peak * static_cast<double>(step) /
           static_cast<double>(std::max<int64_t>(warmup_steps, 1));
  }
  double fraction = 0.0;  // from peak to final
  switch (kind) {
    case Kind::constant:
      break;
    case Kind::linear:
      fraction = progress(step, warmup_steps, steps);
      break;
    case Kind::cosine:
      fraction = 0.5 - 0.5 * std::cos(std::numbers::pi * progress(step, warmup_steps, steps));
      break;
    case Kind::warmup_stable_decay:
      fraction = progress(step, steps - decay_steps, steps);
      break;
  }
  return *peak + (final - *peak) * fraction;
}

}  // namespace ripieno::optim
