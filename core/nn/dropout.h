// Dropout: drops while training, passes everything while evaluating.
#pragma once

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/core/ops/layer_norm.h"

namespace ripieno::nn {

class Dropout final : public Module {
 public:
  explicit Dropout(double probability) : probability_(probability) {}

  using Module::operator();
  Tensor forward(const Tensor& x) const override {
    return drops() ? dropout(x, probability_, random_stream()) : x;
  }
  // x + dropout(branch), for the norm that follows to add up.
  Residual operator()(const Tensor& x, const Tensor& branch) const {
    if (!drops()) return {.x = x, .branch = branch};
    return {.x = x, .branch = branch, .dropout = probability_, .dropout_stream = random_stream()};
  }

 private:
  bool drops() const { return is_training() && probability_ > 0.0; }

  double probability_;
};

}  // namespace ripieno::nn
