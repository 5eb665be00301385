// The gradient of a cosine, shared by the backends.
#pragma once

#include "ripieno/kernels/formulas/formula.h"

namespace ripieno::kernels::formulas {

// d cosine / d x, where x is an element of a vector of norm `norm`, and y that of the other, of
// norm `other`. A norm below `smallest` is constant.
template <typename A>
RIPIENO_FORMULA A cosine_derivative(A x, A y, A norm, A other, A cosine, A smallest) {
  const A divisor = norm > smallest ? norm : smallest;
  const A other_divisor = other > smallest ? other : smallest;
  const A along = norm > smallest ? cosine * x / (divisor * divisor) : A(0);
  return y / (divisor * other_divisor) - along;
}

}  // namespace ripieno::kernels::formulas
