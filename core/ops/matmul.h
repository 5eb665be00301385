// Matrix products.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// (…, m, k) x (…, k, n) -> (…, m, n). Batch axes are equal, or b has none. Transposed views are
// read as they lie.
Tensor matmul(const Tensor& a, const Tensor& b);

}  // namespace ripieno
