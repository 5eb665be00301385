// TokenLoader: windows of a text for training a language model, read ahead of time by a thread.
//
//   TokenLoader loader("tokens.bin", {.batch_size = 512, .context = 1024}, {.rank = 0, .size = 8});
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ripieno/io/data/batch_loader.h"
#include "ripieno/io/data/token_data.h"

namespace ripieno::io {

enum class Sampling {
  random,  // each window begins anywhere, drawn anew for each sample
  epoch,  // windows side by side, each once an epoch, in an order and from an offset of the epoch's
          // own
};

struct TokenLoaderOptions {
  int64_t batch_size = 0;  // windows, of all ranks together
  int64_t context = 0;     // tokens in a window
  uint64_t seed = 0;
  Sampling sampling = Sampling::random;
  double validation_fraction = 0.1;  // of the tokens: the last ones are held out
  Tokenizer::Kind tokenizer = Tokenizer::Kind::characters;  // where the file is a text
};

// Batch::inputs and Batch::targets are (rows, context), int32 (token_windows.h).
class TokenLoader final : public BatchLoader {
 public:
  using Options = TokenLoaderOptions;

  // Throws ConfigurationError where the batch is empty, or the data is smaller than one context.
  TokenLoader(const TokenData& data, const Options& options, Part part = {});
  // A token file or a text.
  TokenLoader(const std::string& path, const Options& options, Part part = {});

  std::unique_ptr<EvaluationSet> held_out(int64_t batch_size) const override;

  const Tokenizer& tokenizer() const { return data_.train.tokenizer(); }

 private:
  TokenLoader(const TokenSplit& data, const Options& options, Part part);

  TokenSplit data_;
  int64_t context_;
  Part part_;
};

// All windows of `data` side by side, so that each token but the first is a target once.
class TokenEvaluation final : public EvaluationBatches {
 public:
  TokenEvaluation(const TokenData& data, int64_t batch_size, int64_t context, Part part = {});
};

}  // namespace ripieno::io
