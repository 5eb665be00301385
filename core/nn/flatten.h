// Flatten: joins all axes of a sample, as between convolutions and linear layers.
#pragma once

#include "ripieno/core/nn/module.h"

namespace ripieno::nn {

// (batch, …) -> (batch, elements of a sample)
class Flatten final : public Module {
 public:
  Tensor forward(const Tensor& x) const override {
    if (x.rank() == 0) fail("flatten: x is a scalar; it must have a batch axis");
    int64_t elements = 1;
    for (int axis = 1; axis < x.rank(); ++axis) elements *= x.shape()[axis];
    return x.reshape({x.size(0), elements});
  }
};

}  // namespace ripieno::nn
