// Gpt: GPT-2 (Radford et al., 2019), with pre-norm blocks, learned positions, and a head that is
// tied to the token embedding.
#pragma once

#include <deque>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/dropout.h"
#include "ripieno/core/nn/embedding.h"
#include "ripieno/core/nn/layer_norm.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/nn/module.h"

namespace ripieno::nn {

// What the backward recomputes instead of saving it (recomputation.h).
enum class Recompute { none, blocks };

// The defaults are those of GPT-2 small, with its vocabulary of 50257 padded to a multiple of 128.
struct GptOptions {
  int64_t vocab = 50304;
  int64_t layers = 12;
  int64_t heads = 12;
  int64_t channels = 768;
  int64_t context = 1024;  // maximum sequence length
  double dropout = 0.0;
  Recompute recompute = Recompute::none;
};

// A transformer block: layer norm, causal attention, layer norm, and a GELU MLP with a hidden size
// of 4 * channels; two residual connections.
class GptBlock final : public Module {
 public:
  explicit GptBlock(const GptOptions& options);

  // All (batch, time, channels). The block's first norm computes the sum that the previous block
  // left, and the norm after the block the sum that this one returns.
  Residual operator()(const Residual& x) const;
  // The block alone, as recomputation runs it: returns the sum. (batch, time, channels).
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
  // Throws ConfigurationError for sizes that are not positive, not compatible or too large.
  explicit Gpt(const GptOptions& options);

  // ids: (batch, time), int32, time <= context -> logits (batch, time, vocab). Throws Error for
  // another shape; see embedding() for ids outside the vocabulary.
  Tensor forward(const Tensor& ids) const override;
  // The cross entropy of predicting `targets` from `ids`, both (batch, time), int32; kIgnoredTarget
  // is left out. The logits are never held as a whole (linear_cross_entropy.h).
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
