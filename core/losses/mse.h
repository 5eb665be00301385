// mse_loss(): the mean squared error, for regression.
#pragma once

#include "ripieno/core/losses/pointwise.h"

namespace ripieno {

// The sum of (prediction - target)^2 over all elements, and their number; computed in float32
// (float64 for a float64 prediction). prediction, target: of one shape, on one device, each of a
// floating-point type; both may require gradients. Throws Error for others: nothing is broadcast.
Loss mse_loss(const Tensor& prediction, const Tensor& target, const PointwiseOptions& options = {});
// The same.
Loss mse(const Tensor& prediction, const Tensor& target);

}  // namespace ripieno
