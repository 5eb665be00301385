// Layer normalization over the last axis (Ba, Kiros and Hinton, 2016).
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// (x - mean) / sqrt(variance + epsilon) * weight + bias.   x: (…, channels); weight, bias:
// (channels), or both undefined.
Tensor layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                  double epsilon = 1e-5);

}  // namespace ripieno
