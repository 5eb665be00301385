// add_into: in-place addition, used to accumulate gradients.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// target += x, in place and not recorded by autograd. Both tensors must be defined and dense, with
// the same shape, floating-point element type and device; throws Error otherwise. Enqueued on the
// device's current stream.
void add_into(const Tensor& target, const Tensor& x);

}  // namespace ripieno
