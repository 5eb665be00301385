// matmul(): matrix products, with a batch.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// The matrix product a b.
//   a: (…, m, k); b: (…, k, n), with the same batch axes as a, or (k, n)
//   -> (…, m, n)
// Both must have the same floating-point type and device. Transposed views are read without a copy.
// Throws Error for shapes, types or devices that do not match.
Tensor matmul(const Tensor& a, const Tensor& b);

}  // namespace ripieno
