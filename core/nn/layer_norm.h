// LayerNorm: layer normalization over the last axis, with a trainable scale and shift.
#pragma once

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/layer_norm.h"

namespace ripieno::nn {

class LayerNorm final : public Module {
 public:
  // channels: the size of the last axis. The scale starts as 1, and the shift as 0.
  explicit LayerNorm(int64_t channels, double epsilon = 1e-5)
      : epsilon_(epsilon),
        weight_(add_parameter("weight", {channels}, Initial::constant(1.0))),
        bias_(add_parameter("bias", {channels}, Initial::constant(0.0))) {}

  // x: (…, channels) -> (…, channels).
  Tensor forward(const Tensor& x) const override { return layer_norm(x, weight_, bias_, epsilon_); }
  using Module::operator();
  // The sum of a residual connection and its norm, in one pass (ops/layer_norm.h).
  ResidualNorm operator()(const Residual& residual) const {
    return residual_norm(residual, weight_, bias_, epsilon_);
  }

 private:
  double epsilon_;
  Tensor weight_, bias_;
};

}  // namespace ripieno::nn
