// Gpt: a GPT-2 (Radford et al., 2019): pre-norm blocks, learned positions, head tied to the token
// embedding.
#pragma once

#include <deque>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/dropout.h"
#include "ripieno/core/nn/embedding.h"
#include "ripieno/core/nn/layer_norm.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/nn/module.h"

namespace ripieno::nn {

// What a backward computes again instead of keeping it (recomputation.h).
enum class Recompute { none, blocks };

struct GptOptions {
  int64_t vocab = 50304;
  int64_t layers = 12;
  int64_t heads = 12;
  int64_t channels = 768;
  int64_t context = 1024;  // the longest sequence
  double dropout = 0.0;
  Recompute recompute = Recompute::none;
};

// Layer norm, causal attention, layer norm, a GELU MLP of four times the width; two residuals.
class GptBlock final : public Module {
 public:
  explicit GptBlock(const GptOptions& options);

  // (batch, time, channels), all. The first norm adds up what the block before leaves, and the norm
  // after the block what this one leaves.
  Residual operator()(const Residual& x) const;
  // By itself, as it is computed again in a backward.
  Tensor forward(const Tensor& x) const override { return sum((*this)(Residual{.x = x})); }
  using Module::operator();

 private:
  int64_t heads_;
  LayerNorm norm1_, norm2_;
  Linear qkv_, projection_, up_, down_;
  Dropout dropout1_, dropout2_;
};

class Gpt final : public Module {
 public:
  // Throws ConfigurationError for sizes that do not fit each other.
  explicit Gpt(const GptOptions& options);

  // (batch, time), int32 -> logits (batch, time, vocab)
  Tensor forward(const Tensor& ids) const override;
  // The loss of predicting `targets` (batch, time); kIgnoredTarget is left out. The logits never
  // exist whole.
  Loss loss(const Tensor& ids, const Tensor& targets) const;

  const GptOptions& options() const { return options_; }

 private:
  Tensor before_head(const Tensor& ids) const;  // -> (batch, time, channels)

  GptOptions options_;
  Embedding tokens_, positions_;
  Dropout dropout_;
  std::deque<GptBlock> blocks_;
  LayerNorm norm_;
};

}  // namespace ripieno::nn
