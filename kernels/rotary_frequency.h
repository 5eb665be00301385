// The frequencies of rotary embeddings, shared by the backends.
#pragma once

#include <cmath>

#include "ripieno/kernels/formulas/formula.h"
#include "ripieno/kernels/rotary.h"

namespace ripieno::kernels {

// A: double.
template <typename A>
RIPIENO_FORMULA A rotary_frequency(const RotaryFrequencies& of, int64_t i, int64_t half) {
  const A frequency = std::pow(A(of.base), -static_cast<A>(i) / static_cast<A>(half));
  if (of.factor == 1.0) return frequency;
  const A turns = of.original_context * frequency * A(0.15915494309189535);  // / (2 pi)
  if (turns > of.high) return frequency;
  if (turns < of.low) return frequency / of.factor;
  const A smooth = (turns - of.low) / (of.high - of.low);
  return (A(1) - smooth) * frequency / of.factor + smooth * frequency;
}

}  // namespace ripieno::kernels
