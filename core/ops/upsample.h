// Resampling of sequences and images to another size.
#pragma once

#include "ripieno/core/ops/per_axis.h"
#include "ripieno/core/tensor.h"
#include "ripieno/kernels/upsample.h"

namespace ripieno {

using kernels::Upsampling;

// x: (batch, channels, length) or (batch, channels, height, width), of a floating-point element
// type; the result has `size` along each spatial axis. kNearest repeats elements; kBilinear and
// kBilinearCorners interpolate between them, as align_corners=False and True of PyTorch. Throws
// Error for other shapes, and for a size below 1.
Tensor upsample(const Tensor& x, const PerAxis& size, Upsampling mode = Upsampling::kNearest);

}  // namespace ripieno
