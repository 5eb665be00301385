// matmul(): matrix products, with a batch.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// (…, m, k) x (…, k, n) -> (…, m, n). The batch axes of a and b must be equal, unless b is a single
// matrix. Both have the same floating-point element type and device. Transposed views are read in
// place, without a copy. Throws Error for shapes, types or devices that do not match.
Tensor matmul(const Tensor& a, const Tensor& b);

}  // namespace ripieno
