// Batch, group and instance normalization (Ioffe and Szegedy, 2015, arXiv 1502.03167; Wu and He,
// 2018, arXiv 1803.08494; Ulyanov et al., 2016, arXiv 1607.08022).
//
// x: (batch, channels, …), of a floating-point element type; weight and bias: (channels), of the
// same type and device, each of which may be undefined. Statistics are float64. Throws Error for
// others.
#pragma once

#include <memory>

#include "ripieno/core/statistics_sum.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

struct BatchNormalized {
  Tensor normalized;  // of the shape of x
  // Of the batch, for running statistics: (channels), float64, without gradients. The variance is
  // the unbiased estimate.
  Tensor mean, variance;
};

// (x - mean) / sqrt(variance + epsilon) * weight + bias, where mean and variance are those of each
// channel over the batch. `ranks`: whose rows are one batch together; null: this rank's. Throws
// Error if a channel has only one element, whose variance is not defined.
BatchNormalized batch_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                           double epsilon = 1e-5, std::shared_ptr<StatisticsSum> ranks = nullptr);
// The same with given statistics, (channels), of any floating-point type: for evaluation. They get
// no gradient.
Tensor batch_norm_with(const Tensor& x, const Tensor& mean, const Tensor& variance,
                       const Tensor& weight = {}, const Tensor& bias = {}, double epsilon = 1e-5);

// With the mean and variance of each of `groups` ranges of channels of a sample. Throws Error
// unless the channels are a multiple of `groups`.
Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight = {},
                  const Tensor& bias = {}, double epsilon = 1e-5);
// With the mean and variance of each channel of a sample.
Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                     double epsilon = 1e-5);

}  // namespace ripieno
