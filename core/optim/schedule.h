// Schedule: the learning rate as a pure function of the step.
#pragma once

#include <cstdint>
#include <optional>

namespace ripieno::optim {

// All kinds start with linear warmup from 0 to `peak` over `warmup_steps` steps.
struct Schedule {
  enum class Kind {
    constant,  // stays at `peak`
    linear,    // decays linearly to `final` at step `steps`
    cosine,    // decays along a half cosine to `final` at `steps` (Loshchilov and Hutter, 2017)
    warmup_stable_decay,  // stays at `peak`, then decays linearly to `final` over the last
                          // `decay_steps` steps
  };

  Kind kind = Kind::constant;
  std::optional<double> peak = {};  // empty: a Run takes the optimizer's learning rate
  double final = 0.0;
  int64_t warmup_steps = 0;
  int64_t steps = 0;        // length of the whole schedule
  int64_t decay_steps = 0;  // for warmup_stable_decay

  // The learning rate of step `step`, counted from 1; `final` after `steps`, except for `constant`.
  // Throws ConfigurationError if there is no peak, and what check() throws.
  double at(int64_t step) const;
};

// Throws ConfigurationError if a number is out of its range, or if a kind that ends has no steps.
// Warmup and decay may be longer than `steps`, as in a short trial of a long run.
void check(const Schedule& schedule);

}  // namespace ripieno::optim
