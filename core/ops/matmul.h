// Matrix products, and the linear layer's product with bias and activation in one.
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/activation.h"

namespace ripieno {

using kernels::Activation;

// (…, m, k) x (…, k, n) -> (…, m, n). Batch axes are equal, or b has none. Transposed views are
// read as they lie.
Tensor matmul(const Tensor& a, const Tensor& b);

// activation(x weight^T + bias).   x: (…, inputs); weight: (outputs, inputs); bias: (outputs) or
// undefined; -> (…, outputs)
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              Activation activation = Activation::kNone);

}  // namespace ripieno
