// Llama: decoders with RMS norms, rotary positions, grouped-query attention and SwiGLU feed-forward
// networks (Touvron et al., 2023, arXiv 2302.13971). Options cover Llama 1 to 3.2, Qwen 2 and the
// dense models of Qwen 3.
#pragma once

#include <deque>
#include <optional>

#include "ripieno/core/models/language_model.h"
#include "ripieno/core/nn/embedding.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/nn/rms_norm.h"
#include "ripieno/core/ops/rotary_embedding.h"

namespace ripieno::nn {

// The defaults are those of TinyLlama 1.1B.
struct LlamaOptions {
  int64_t vocab = 32000;
  int64_t layers = 22;
  int64_t heads = 32;
  int64_t key_value_heads = 4;  // divides heads
  int64_t channels = 2048;
  int64_t head_size = 0;  // 0: channels / heads; even
  int64_t hidden = 5632;  // of the feed-forward network
  int64_t context = 2048;
  double epsilon = 1e-5;  // of the norms
  RotaryFrequencies rotary = {};
  bool ties_head = false;         // the head is the token embedding
  bool qkv_bias = false;          // as in Qwen 2
  bool normalizes_heads = false;  // queries and keys, by head, as in Qwen 3
  Recompute recompute = Recompute::none;

  int64_t size_of_head() const { return head_size > 0 ? head_size : channels / heads; }
};

// What all blocks use in one forward.
struct LlamaStep {
  Tensor rotary;  // table of the positions (rotary_embedding.h)
  KeyRanges ranges = {};
  KeyValueCache* cache = nullptr;
};

class LlamaBlock final : public Module {
 public:
  LlamaBlock(const LlamaOptions& options, int64_t layer);

  // x: (batch, time, channels). The block's first norm computes the sum that the previous block
  // left, and the norm after the block the sum that this one returns.
  Residual operator()(const Residual& x, const LlamaStep& step) const;
  using Module::operator();

 private:
  Tensor attend(const Tensor& x, const LlamaStep& step) const;

  int64_t layer_, heads_, key_value_heads_, head_size_;
  RmsNorm norm1_, norm2_;
  Linear query_, key_, value_, projection_;
  std::optional<RmsNorm> query_norm_, key_norm_;
  Linear gate_, up_, down_;
};

class Llama final : public LanguageModel {
 public:
  // Throws ConfigurationError for sizes that are not positive, not compatible or too large.
  explicit Llama(const LlamaOptions& options);

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
  const LlamaOptions& options() const { return options_; }

 private:
  // -> (batch, time, channels)
  Tensor before_head(const Tensor& ids, const LlamaStep& step) const;
  LlamaStep step_of(const Tensor& ids, const DocumentRanges& documents) const;
  Tensor head() const { return head_ ? head_->weight() : tokens_.weight(); }

  LlamaOptions options_;
  Embedding tokens_;
  std::deque<LlamaBlock> blocks_;
  RmsNorm norm_;
  std::optional<Linear> head_;
};

}  // namespace ripieno::nn
