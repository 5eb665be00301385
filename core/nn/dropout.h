// Dropout as a module: drops elements in training mode, and returns its input in evaluation mode.
#pragma once

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/core/ops/layer_norm.h"

namespace ripieno::nn {

class Dropout final : public Module {
 public:
  // probability: of dropping an element, in [0, 1); a forward throws Error for others.
  explicit Dropout(double probability) : probability_(probability) {}

  using Module::operator();
  Tensor forward(const Tensor& x) const override {
    return drops() ? dropout(x, probability_, random_stream()) : x;
  }
  // x + dropout(branch), which the norm that follows computes (layer_norm.h).
  Residual operator()(const Tensor& x, const Tensor& branch) const {
    if (!drops()) return {.x = x, .branch = branch};
    return {.x = x, .branch = branch, .dropout = probability_, .dropout_stream = random_stream()};
  }

 private:
  bool drops() const { return is_training() && probability_ > 0.0; }

  double probability_;
};

}  // namespace ripieno::nn
