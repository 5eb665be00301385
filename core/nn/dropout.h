// Dropout: drops while training, passes everything while evaluating.
#pragma once

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/dropout.h"

namespace ripieno::nn {

class Dropout final : public Module {
 public:
  explicit Dropout(double probability) : probability_(probability) {}

  Tensor operator()(const Tensor& x) const {
    return is_training() && probability_ > 0.0 ? dropout(x, probability_, random_stream()) : x;
  }

 private:
  double probability_;
};

}  // namespace ripieno::nn
