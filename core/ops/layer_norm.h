// Layer normalization over the last axis (Ba, Kiros and Hinton, 2016, arXiv 1607.06450), alone or
// fused with a residual connection.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// (x - mean) / sqrt(variance + epsilon) * weight + bias, with mean and variance over the last axis.
//   x: (…, channels), of a floating-point type; weight, bias: (channels), or both undefined
//   -> (…, channels)
// Throws Error for a scalar, and for shapes, types or devices that do not match.
Tensor layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                  double epsilon = 1e-5);

// x + dropout(branch), not computed yet: the norm that follows computes the sum in the same pass.
// Without a branch it is x.
struct Residual {
  Tensor x;            // (…, channels)
  Tensor branch = {};  // (…, channels), or undefined
  double dropout = 0.0;
  uint64_t dropout_stream = 0;  // see `stream` in dropout.h
};

// Computes x + dropout(branch), or returns x if there is no branch.
Tensor sum(const Residual& residual);

// The sum, which the next residual connection starts from, and its norm, which the next branch
// starts from. One pass over memory computes both, and one backward pass the gradients of both.
// Throws Error as layer_norm() and dropout() do.
struct ResidualNorm {
  Tensor sum, normalized;
};
ResidualNorm residual_norm(const Residual& residual, const Tensor& weight = {},
                           const Tensor& bias = {}, double epsilon = 1e-5);

}  // namespace ripieno
