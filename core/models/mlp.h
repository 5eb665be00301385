// Mlp: linear layers with ReLU between them.
#pragma once

#include <deque>
#include <vector>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/linear.h"

namespace ripieno::nn {

class Mlp final : public Module {
 public:
  // sizes: input, each hidden layer, output; at least two. Throws ConfigurationError for fewer, for
  // sizes below 1, and for too many parameters.
  explicit Mlp(const std::vector<int64_t>& sizes);

  // (…, inputs) -> (…, outputs)
  Tensor forward(const Tensor& x) const override;
  // The cross entropy of (*this)(x). targets: (…), int32 classes.
  Loss loss(const Tensor& x, const Tensor& targets) const;

 private:
  std::deque<Linear> layers_;
};

}  // namespace ripieno::nn
