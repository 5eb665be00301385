// Layer normalization over the last axis, alone or of a residual connection (Ba, Kiros and Hinton,
// 2016, arXiv 1607.06450).
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// (x - mean) / sqrt(variance + epsilon) * weight + bias.   x: (…, channels); weight, bias:
// (channels), or both undefined.
Tensor layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                  double epsilon = 1e-5);

// x + dropout(branch), not added up yet: a norm that follows does so on its way. Without a branch
// it is x.
struct Residual {
  Tensor x;            // (…, channels)
  Tensor branch = {};  // of the same shape
  double dropout = 0.0;
  uint64_t dropout_stream = 0;  // see dropout.h
};

// x + dropout(branch).
Tensor sum(const Residual& residual);

// The sum, which the next residual connection adds to, and its norm, which the next branch begins
// with: one pass over memory computes both, and another one the gradients of both.
struct ResidualNorm {
  Tensor sum, normal;
};
ResidualNorm residual_norm(const Residual& residual, const Tensor& weight = {},
                           const Tensor& bias = {}, double epsilon = 1e-5);

}  // namespace ripieno
