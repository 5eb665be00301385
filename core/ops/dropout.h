// Dropout (Srivastava et al., 2014).
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/dropout.h"

namespace ripieno {

// Zeroes each element with `probability` and divides the others by 1 - probability. Axis 0 is the
// batch: the mask is a function of (seed, `stream`, step, index in the global batch), see random.h.
// `stream` tells one dropout of a model from the others.
Tensor dropout(const Tensor& x, double probability, uint64_t stream);

// What the dropout of a tensor drops in the current step; for operations that drop on their way.
struct DrawnDropout {
  double probability = 0.0;
  Tensor key;  // undefined where the probability is 0
  int64_t offset = 0;

  kernels::DropoutMask mask() const;
  Tensor operator()(const Tensor& dense) const;  // not recorded
};
// Throws Error for a probability outside of [0, 1).
DrawnDropout draw_dropout(const Tensor& x, double probability, uint64_t stream);

}  // namespace ripieno
