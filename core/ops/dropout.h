// Dropout (Srivastava et al., 2014).
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// Zeroes each element with `probability` and divides the others by 1 - probability. Axis 0 is the
// batch: the mask is a function of (seed, `stream`, step, index in the global batch), see random.h.
// `stream` tells one dropout of a model from the others.
Tensor dropout(const Tensor& x, double probability, uint64_t stream);

}  // namespace ripieno
