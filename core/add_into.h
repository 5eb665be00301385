// add_into: sums in place, for gradients.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// target += x, in place and not recorded. Both dense, of one shape and element type.
void add_into(const Tensor& target, const Tensor& x);

}  // namespace ripieno
