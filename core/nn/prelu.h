// Prelu: a ReLU whose slope for negative numbers is learned (He et al., 2015, arXiv 1502.01852).
#pragma once

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/activation.h"

namespace ripieno::nn {

class Prelu final : public Module {
 public:
  // One slope for all elements, or one for each channel (axis 1 of x).
  explicit Prelu(int64_t channels = 1, double initial = 0.25)
      : weight_(add_parameter("weight", {channels}, Initial::constant(initial))) {}

  // Of the shape of x. Throws as prelu() does (ops/activation.h).
  Tensor forward(const Tensor& x) const override { return prelu(x, weight_); }

  const Tensor& weight() const { return weight_; }  // (channels)

 private:
  Tensor weight_;
};

}  // namespace ripieno::nn
