// Convolutions of sequences and images.
//
// x: (batch, inputs, length) or (batch, inputs, height, width); weight: (outputs, inputs / groups,
// kernel) or (outputs, inputs / groups, kernel height, kernel width); bias: (outputs), or
// undefined. All have the same floating-point element type and device. Throws Error for other
// shapes, and for options outside their domain.
#pragma once

#include "ripieno/core/ops/per_axis.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

struct ConvOptions {
  PerAxis stride = 1;
  PerAxis padding = 0;  // zeros added at both ends
  PerAxis dilation = 1;
  // Output channel o reads the inputs / groups input channels of its group only.
  int64_t groups = 1;
};

// out[n, o, i] = bias[o] + the sum over c and k of weight[o, c, k] x[n, c, i * stride - padding + k
// * dilation] -> (batch, outputs, length). Uses the x of each PerAxis.
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const ConvOptions& options = {});
// The same along two axes -> (batch, outputs, height, width).
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const ConvOptions& options = {});

}  // namespace ripieno
