// Apply: a layer without parameters that calls a function, such as an activation.
//
//   nn::Sequential model{nn::Linear(784, 128), nn::Apply(silu), nn::Linear(128, 10)};
#pragma once

#include <functional>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/core/nn/module.h"

namespace ripieno::nn {

class Apply final : public Module {
 public:
  // Throws Error for an empty function.
  explicit Apply(std::function<Tensor(const Tensor&)> function) : function_(std::move(function)) {
    if (!function_) fail("Apply: the function is empty; pass one that can be called");
  }

  Tensor forward(const Tensor& x) const override { return function_(x); }

 private:
  std::function<Tensor(const Tensor&)> function_;
};

}  // namespace ripieno::nn
