// The one implementation of the losses in pointwise.h and mse.h. Not installed.
#pragma once

#include "ripieno/core/loss.h"
#include "ripieno/kernels/pointwise_loss.h"

namespace ripieno {

struct PointwiseSum {
  const char* name;  // of the operation, in messages
  kernels::PointwiseLoss loss;
  double width = 1.0;
  Tensor weights = {};           // broadcast to the prediction
  Tensor positive_weights = {};  // (classes) or one element
};

// The sum of the terms, and the sum of the weights, or the number of elements without weights.
Loss pointwise_sum(const Tensor& prediction, const Tensor& target, const PointwiseSum& how);

}  // namespace ripieno
