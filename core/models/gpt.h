// Gpt: GPT-2 (Radford et al., 2019), with pre-norm blocks, learned positions, and a head that is
// tied to the token embedding.
#pragma once

#include <deque>

#include "ripieno/core/models/language_model.h"
#include "ripieno/core/nn/dropout.h"
#include "ripieno/core/nn/embedding.h"
#include "ripieno/core/nn/layer_norm.h"
#include "ripieno/core/nn/linear.h"

namespace ripieno::nn {

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
  // The same with attention within documents.
  Residual operator()(const Residual& x, const KeyRanges& ranges) const;
  // The same behind the tokens in the cache, as its layer `layer`.
  Residual operator()(const Residual& x, KeyValueCache& cache, int64_t layer) const;
  // The block alone, as recomputation runs it: returns the sum. (batch, time, channels).
  Tensor forward(const Tensor& x) const override { return sum((*this)(Residual{.x = x})); }
  using Module::operator();

 private:
  template <typename Attend>
  Residual with(const Residual& x, const Attend& attend) const;

  int64_t heads_;
  LayerNorm norm1_, norm2_;
  Linear qkv_, projection_, up_, down_;
  Dropout dropout1_, dropout2_;
};

class Gpt final : public LanguageModel {
 public:
  // Throws ConfigurationError for sizes that are not positive, not compatible or too large.
  explicit Gpt(const GptOptions& options);

  // ids: (batch, time), int32, time <= context -> logits (batch, time, vocab). Throws Error for
  // another shape; see embedding() for ids outside the vocabulary.
  Tensor forward(const Tensor& ids) const override { return logits(ids, {}); }
  Tensor logits(const Tensor& ids, const DocumentRanges& documents) const override;
  using LanguageModel::loss;
  Loss loss(const Tensor& ids, const Tensor& targets,
            const DocumentRanges& documents) const override;
  Tensor next_logits(const Tensor& ids, KeyValueCache& cache) const override;
  KeyValueCache make_cache(int64_t batch) override;

  int64_t context() const override { return options_.context; }
  int64_t vocabulary() const override { return options_.vocab; }
  const GptOptions& options() const { return options_; }

 private:
  // -> (batch, time, channels)
  Tensor before_head(const Tensor& ids, const DocumentRanges& documents) const;

  GptOptions options_;
  Embedding tokens_, positions_;
  Dropout dropout_;
  std::deque<GptBlock> blocks_;
  LayerNorm norm_;
};

}  // namespace ripieno::nn
