// The scalars of optimizer rules that see a whole tensor, shared by the backends.
#pragma once

#include <cmath>

#include "ripieno/kernels/formulas/formula.h"
#include "ripieno/kernels/tensor_rules.h"

namespace ripieno::kernels::formulas {

RIPIENO_FORMULA DirectionFactors lamb_factors(const double* squares,
                                              const ParameterSegment& segment,
                                              const StepScalars& now) {
  const double rate =
      static_cast<double>(now.learning_rate) * static_cast<double>(segment.learning_rate_factor);
  const double of_values = std::sqrt(squares[0]), of_direction = std::sqrt(squares[1]);
  const bool has_norms = of_values > 0 && of_direction > 0;
  return {1.0, rate * (has_norms ? of_values / of_direction : 1.0)};
}

RIPIENO_FORMULA DirectionFactors adafactor_factors(const double* squares, int64_t size,
                                                   const ParameterSegment& segment,
                                                   const StepScalars& now,
                                                   const AdafactorConstants& constants) {
  const double rate =
      static_cast<double>(now.learning_rate) * static_cast<double>(segment.learning_rate_factor);
  const auto elements = static_cast<double>(size);
  const double of_values = std::sqrt(squares[0] / elements);
  const double excess = std::sqrt(squares[1] / elements) / constants.largest_direction;
  const double slowed = 1.0 / std::sqrt(now.step);
  const double scale = of_values > constants.smallest_scale ? of_values : constants.smallest_scale;
  const double step = scale * (rate < slowed ? rate : slowed);
  return {1.0 - rate * static_cast<double>(segment.weight_decay),
          excess > 1.0 ? step / excess : step};
}

// gradient / sqrt(variance), bounded below.
template <typename A>
RIPIENO_FORMULA A over_root(A gradient, A variance, A smallest) {
  const A least = smallest * smallest;
  return gradient / std::sqrt(variance > least ? variance : least);
}

}  // namespace ripieno::kernels::formulas
