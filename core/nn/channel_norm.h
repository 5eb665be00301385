// BatchNorm, GroupNorm and InstanceNorm as layers.
#pragma once

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/channel_norm.h"

namespace ripieno::nn {

struct BatchNormOptions {
  double epsilon = 1e-5;
  // The share of a batch in the running statistics.
  double momentum = 0.1;
  // Whether there are a trainable scale and shift.
  bool affine = true;
  // Whether evaluation uses running statistics; otherwise it uses those of its batch.
  bool running_statistics = true;
  // Whether training uses the statistics of all ranks' rows together; otherwise of each rank's.
  bool synchronized = true;
};

// Normalizes each channel over the batch (ops/channel_norm.h), in training with the statistics of
// the batch, in evaluation with running statistics: the buffers "running_mean" and
// "running_variance", which start as 0 and 1.
//
// With DataParallel, a batch are the rows of all ranks in a micro-batch, and all ranks must have
// the same number of micro-batches in a step. In strict mode it is a slot, and with DiLoCo the rows
// of a rank.
class BatchNorm final : public Module {
 public:
  // channels: the size of axis 1. Throws ConfigurationError for options outside their domain.
  explicit BatchNorm(int64_t channels, const BatchNormOptions& options = {});

  // (batch, channels), (batch, channels, length) or (batch, channels, height, width).
  Tensor forward(const Tensor& x) const override;

  const Tensor& weight() const { return weight_; }  // (channels), or undefined
  const Tensor& bias() const { return bias_; }
  const Tensor& running_mean() const { return mean_; }  // (channels), float32, or undefined
  const Tensor& running_variance() const { return variance_; }

 private:
  BatchNormOptions options_;
  Tensor weight_, bias_, mean_, variance_;
};

using BatchNorm1d = BatchNorm;
using BatchNorm2d = BatchNorm;

struct ChannelNormOptions {
  double epsilon = 1e-5;
  bool affine = true;  // whether there are a trainable scale and shift
};

class GroupNorm final : public Module {
 public:
  // Throws ConfigurationError unless channels, the size of axis 1, is a multiple of groups.
  GroupNorm(int64_t groups, int64_t channels, const ChannelNormOptions& options = {});
  Tensor forward(const Tensor& x) const override {
    return group_norm(x, groups_, weight_, bias_, epsilon_);
  }

 private:
  int64_t groups_;
  double epsilon_;
  Tensor weight_, bias_;
};

class InstanceNorm final : public Module {
 public:
  // Without scale and shift by default, as in PyTorch.
  explicit InstanceNorm(int64_t channels, const ChannelNormOptions& options = {.affine = false});
  Tensor forward(const Tensor& x) const override {
    return instance_norm(x, weight_, bias_, epsilon_);
  }

 private:
  double epsilon_;
  Tensor weight_, bias_;
};

}  // namespace ripieno::nn
