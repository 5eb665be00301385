// Root-mean-square normalization over the last axis (Zhang and Sennrich, 2019, arXiv 1910.07467),
// alone or fused with a residual connection.
#pragma once

#include "ripieno/core/ops/layer_norm.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

// x / sqrt(mean(x^2) + epsilon) * weight, with the mean over the last axis.
//   x: (…, channels), of a floating-point type; weight: (channels), or undefined
//   -> (…, channels)
// Throws Error for a scalar, and for shapes, types or devices that do not match.
Tensor rms_norm(const Tensor& x, const Tensor& weight = {}, double epsilon = 1e-5);

// The sum of a residual connection and its norm; without dropout, one pass over memory computes
// both. Throws Error as rms_norm() and dropout() do.
ResidualNorm residual_rms_norm(const Residual& residual, const Tensor& weight = {},
                               double epsilon = 1e-5);

}  // namespace ripieno
