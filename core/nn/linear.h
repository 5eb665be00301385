// Linear: a layer y = activation(x W^T + b).
#pragma once

#include <cmath>

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/linear.h"

namespace ripieno::nn {

struct LinearOptions {
  bool bias = true;
  Activation activation = Activation::kNone;
  // Uniform in +-1 / sqrt(inputs) by default, as in PyTorch.
  std::optional<Initial> weight = {};
  std::optional<Initial> bias_initial = {};
};

class Linear final : public Module {
 public:
  // inputs, outputs: the sizes of the last axis of x and y.
  Linear(int64_t inputs, int64_t outputs, const LinearOptions& options = {})
      : activation_(options.activation) {
    const Initial standard = Initial::uniform(1.0 / std::sqrt(static_cast<double>(inputs)));
    weight_ = add_parameter("weight", {outputs, inputs}, options.weight.value_or(standard));
    if (options.bias)
      bias_ = add_parameter("bias", {outputs}, options.bias_initial.value_or(standard));
  }

  // (…, inputs) -> (…, outputs). Throws Error for other shapes, types or devices.
  Tensor forward(const Tensor& x) const override { return linear(x, weight_, bias_, activation_); }

  LinearParameters weight_and_bias() const { return {weight_, bias_}; }
  const Tensor& weight() const { return weight_; }  // (outputs, inputs)
  const Tensor& bias() const { return bias_; }  // (outputs), or undefined if options.bias is false

 private:
  Activation activation_;
  Tensor weight_, bias_;
};

}  // namespace ripieno::nn
