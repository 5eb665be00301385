#include "ripieno/core/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ripieno::optim {
namespace {

// The fraction of the steps from `begin` to `end` that are done at `step`, in [0, 1].
double progress(int64_t step, int64_t begin, int64_t end) {
  if (end <= begin) return step < end ? 0.0 : 1.0;
  const double fraction = static_cast<double>(step - begin) / static_cast<double>(end - begin);
  return std::clamp(fraction, 0.0, 1.0);
}

}  // namespace

double Schedule::at(int64_t step) const {
  if (step <= warmup_steps) {
    return peak * static_cast<double>(step) /
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
  return peak + (final - peak) * fraction;
}

}  // namespace ripieno::optim
