// Tensors like others: of the same shape, element type and device. Tensor::ones(), arange() and the
// like create tensors from nothing.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
Tensor full_like(const Tensor& x, double value);
// Random numbers as Tensor::rand() and Tensor::randn().
Tensor rand_like(const Tensor& x);
Tensor randn_like(const Tensor& x);

}  // namespace ripieno
