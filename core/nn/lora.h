// LoraLinear: a frozen linear layer with a trainable update of low rank (LoRA; Hu et al., 2021,
// arXiv 2106.09685), to fine-tune a model with few parameters.
#pragma once

#include "ripieno/core/autograd.h"
#include "ripieno/core/nn/dropout.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/matmul.h"

namespace ripieno::nn {

struct LoraOptions {
  int64_t rank = 8;      // at least 1
  double alpha = 16.0;   // the update is multiplied by alpha / rank
  double dropout = 0.0;  // of the update's input, during training
};

// base(x) + alpha / rank * dropout(x) down^T up^T. `up` starts as 0, so that a new layer computes
// what its base does.
class LoraLinear final : public Module {
 public:
  // Throws Error for a rank below 1.
  LoraLinear(int64_t inputs, int64_t outputs, const LoraOptions& lora = {},
             const LinearOptions& options = {})
      : scale_(lora.alpha / static_cast<double>(lora.rank)),
        base_(inputs, outputs, options),
        dropout_(lora.dropout) {
    if (lora.rank < 1) {
      fail("lora: rank is " + std::to_string(lora.rank) + "; it must be at least 1");
    }
    if (options.activation != Activation::kNone) {
      fail("lora: the layer has an activation; apply it after the layer instead");
    }
    add("base", base_);
    add("dropout", dropout_);
    const double bound = 1.0 / std::sqrt(static_cast<double>(inputs));
    down_ = add_parameter("down", {lora.rank, inputs}, Initial::uniform(bound));
    up_ = add_parameter("up", {outputs, lora.rank}, Initial::constant(0.0));
    base_.freeze();
  }

  // (…, inputs) -> (…, outputs).
  Tensor forward(const Tensor& x) const override {
    return base_(x) + linear(linear(dropout_(x), down_), up_) * scale_;
  }

  // Adds the update to the base's weight, and sets it to 0: what the layer computes stays the same
  // within rounding, and the base can be used alone.
  void merge() {
    const NoGrad no_grad;
    add_into(base_.weight(), matmul(up_, down_) * scale_);
    up_.fill(0.0);
  }

  const Linear& base() const { return base_; }

 private:
  double scale_;
  Linear base_;
  Dropout dropout_;
  Tensor down_, up_;
};

}  // namespace ripieno::nn
