// Schedule: the learning rate as a pure function of the step.
#pragma once

#include <cstdint>

namespace ripieno::optim {

// Each begins with `warmup_steps` of linear growth to `peak`.
struct Schedule {
  enum class Kind {
    constant,  // stays at peak
    linear,    // falls in a line to `final` at `steps`
    cosine,    // falls along half a cosine to `final` at `steps` (Loshchilov and Hutter, 2017)
    warmup_stable_decay,  // stays at peak, and falls in a line to `final` over the last
                          // `decay_steps`
  };

  Kind kind = Kind::constant;
  double peak = 1e-3;
  double final = 0.0;
  int64_t warmup_steps = 0;
  int64_t steps = 0;        // of the whole schedule
  int64_t decay_steps = 0;  // of warmup_stable_decay

  // The learning rate of step `step`, counted from 1. After `steps` it stays at `final`.
  double at(int64_t step) const;
};

}  // namespace ripieno::optim
