// The element-wise optimizer rules, shared by the backends.
//
// formula(value, gradient, rate, decay, now, state) returns the new value of a parameter from its
// value, its gradient (divided by the count and clipped), the learning rate and weight decay of its
// segment, and the scalars of the step; it updates state[0] to state[kStates - 1]. A: float or
// double.
#pragma once

#include <cmath>

#include "ripieno/kernels/formulas/formula.h"
#include "ripieno/kernels/optimizer.h"
#include "ripieno/kernels/optimizer_rules.h"

namespace ripieno::kernels::formulas {

// Adam with weight decay added to the gradient. state: the two moments.
template <typename A>
struct Adam {
  static constexpr int kStates = 2;
  A first_share, second_share, epsilon;

  explicit Adam(const AdamWConstants& constants)
      : first_share(A(1.0 - constants.beta1)),
        second_share(A(1.0 - constants.beta2)),
        epsilon(A(constants.epsilon)) {}

  RIPIENO_FORMULA A operator()(A value, A gradient, A rate, A decay, const StepScalars& now,
                               A (&state)[kStates]) const {
    const A g = gradient + decay * value;
    state[0] += first_share * (g - state[0]);
    state[1] += second_share * (g * g - state[1]);
    const A deviation = std::sqrt(state[1] * A(now.second_correction)) + epsilon;
    return value - rate * (state[0] * A(now.first_correction)) / deviation;
  }
};

// state: the sum of squared gradients, without the initial sum.
template <typename A>
struct Adagrad {
  static constexpr int kStates = 1;
  A learning_rate_decay, epsilon, initial_sum;

  explicit Adagrad(const AdagradConstants& constants)
      : learning_rate_decay(A(constants.learning_rate_decay)),
        epsilon(A(constants.epsilon)),
        initial_sum(A(constants.initial_sum)) {}

  RIPIENO_FORMULA A operator()(A value, A gradient, A rate, A decay, const StepScalars& now,
                               A (&state)[kStates]) const {
    const A g = gradient + decay * value;
    state[0] += g * g;
    const A slowed = rate / (A(1) + A(now.step - 1.0) * learning_rate_decay);
    return value - slowed * g / (std::sqrt(initial_sum + state[0]) + epsilon);
  }
};

// state: the mean square of the gradient, its mean if `centered`, and the velocity if `moves`.
template <typename A, bool centered, bool moves>
struct RmsProp {
  static constexpr int kStates = 1 + (centered ? 1 : 0) + (moves ? 1 : 0);
  A share, epsilon, momentum;

  explicit RmsProp(const RmsPropConstants& constants)
      : share(A(1.0 - constants.decay)),
        epsilon(A(constants.epsilon)),
        momentum(A(constants.momentum)) {}

  RIPIENO_FORMULA A operator()(A value, A gradient, A rate, A decay, const StepScalars&,
                               A (&state)[kStates]) const {
    const A g = gradient + decay * value;
    state[0] += share * (g * g - state[0]);
    A variance = state[0];
    if constexpr (centered) {
      state[1] += share * (g - state[1]);
      variance -= state[1] * state[1];
      variance = variance > A(0) ? variance : A(0);  // negative only by rounding
    }
    const A step = g / (std::sqrt(variance) + epsilon);
    if constexpr (moves) {
      A& velocity = state[kStates - 1];
      velocity = momentum * velocity + step;
      return value - rate * velocity;
    } else {
      return value - rate * step;
    }
  }
};

// state: the momentum.
template <typename A>
struct Lion {
  static constexpr int kStates = 1;
  A mixed_share, kept_share;  // of the gradient, in the update and in the momentum

  explicit Lion(const LionConstants& constants)
      : mixed_share(A(1.0 - constants.beta1)), kept_share(A(1.0 - constants.beta2)) {}

  RIPIENO_FORMULA A operator()(A value, A gradient, A rate, A decay, const StepScalars&,
                               A (&state)[kStates]) const {
    const A mixed = state[0] + mixed_share * (gradient - state[0]);
    state[0] += kept_share * (gradient - state[0]);
    const A sign = mixed > A(0) ? A(1) : mixed < A(0) ? A(-1) : A(0) * mixed;  // NaN stays NaN
    return (A(1) - rate * decay) * value - rate * sign;
  }
};

// The share of the parameters in the new average: all of it after the first step, since parameters
// may have been loaded after the state was allocated.
RIPIENO_FORMULA double average_share(const AverageConstants& constants, const StepScalars& now) {
  if (now.step <= 1.0) return 1.0;
  const double warm = (1.0 + now.step) / (10.0 + now.step);
  return 1.0 - (constants.warms_up && warm < constants.decay ? warm : constants.decay);
}

}  // namespace ripieno::kernels::formulas
