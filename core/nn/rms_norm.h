// RmsNorm: root-mean-square normalization over the last axis, with a trainable scale.
#pragma once

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/rms_norm.h"

namespace ripieno::nn {

class RmsNorm final : public Module {
 public:
  // channels: the size of the last axis. The scale starts as 1.
  explicit RmsNorm(int64_t channels, double epsilon = 1e-5)
      : epsilon_(epsilon), weight_(add_parameter("weight", {channels}, Initial::constant(1.0))) {}

  // x: (…, channels) -> (…, channels).
  Tensor forward(const Tensor& x) const override { return rms_norm(x, weight_, epsilon_); }
  using Module::operator();
  // The sum of a residual connection and its norm, in one pass (ops/rms_norm.h).
  ResidualNorm operator()(const Residual& residual) const {
    return residual_rms_norm(residual, weight_, epsilon_);
  }

 private:
  double epsilon_;
  Tensor weight_;
};

}  // namespace ripieno::nn
