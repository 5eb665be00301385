// LstmLanguageModel: predicts the next token of a text by an embedding, LSTM layers and a linear
// head (Zaremba et al., 2014, arXiv 1409.2329).
#pragma once

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/dropout.h"
#include "ripieno/core/nn/embedding.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/nn/recurrent.h"

namespace ripieno::nn {

struct LstmLanguageModelOptions {
  int64_t vocab = 256;
  int64_t channels = 128;  // of an embedding and of the state
  int64_t layers = 2;
  double dropout = 0.0;  // of the embeddings, between layers, and before the head
};

class LstmLanguageModel final : public Module {
 public:
  // Throws ConfigurationError for sizes that are not positive or too large.
  explicit LstmLanguageModel(const LstmLanguageModelOptions& options);

  // ids: (batch, time), int32 -> logits (batch, time, vocab), from a state of zeros. See
  // embedding() for ids outside the vocabulary.
  Tensor forward(const Tensor& ids) const override { return (*this)(ids, {}).outputs; }
  using Module::operator();
  // The same from the state after earlier tokens; `outputs` are the logits. For generation, within
  // a NoGrad.
  RecurrentResult operator()(const Tensor& ids, const RecurrentState& state) const;
  // The cross entropy of predicting `targets` from `ids`, both (batch, time), int32; kIgnoredTarget
  // is left out. The logits are never held as a whole (linear_cross_entropy.h).
  Loss loss(const Tensor& ids, const Tensor& targets) const;

  const LstmLanguageModelOptions& options() const { return options_; }

 private:
  RecurrentResult before_head(const Tensor& ids, const RecurrentState& state) const;

  LstmLanguageModelOptions options_;
  Embedding tokens_;
  Dropout dropout1_, dropout2_;
  Lstm lstm_;
  Linear head_;
};

}  // namespace ripieno::nn
