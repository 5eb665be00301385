// Embedding as a module: a trainable table with one row per id.
#pragma once

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/embedding.h"

namespace ripieno::nn {

class Embedding final : public Module {
 public:
  // The table is (vocab, channels), with standard normal initial values by default, as in PyTorch.
  Embedding(int64_t vocab, int64_t channels, const Initial& initial = Initial::normal(1.0))
      : weight_(add_parameter("weight", {vocab, channels}, initial)) {}

  // ids: (…), int32 -> (…, channels). Throws like embedding() (ops/embedding.h).
  Tensor forward(const Tensor& ids) const override { return embedding(weight_, ids); }

  const Tensor& weight() const { return weight_; }  // (vocab, channels)

 private:
  Tensor weight_;
};

}  // namespace ripieno::nn
