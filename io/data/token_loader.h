// TokenLoader: batches of token windows for training a language model, read ahead by a background
// thread.
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
  random,  // every window starts at a random token
  epoch,   // adjacent windows, each once per epoch; the order and the first token of the windows
           // differ in each epoch
};

struct TokenLoaderOptions {
  int64_t batch_size = 0;  // windows per batch, of all ranks together; at least 1
  int64_t context = 0;     // tokens per window; at least 1
  uint64_t seed = 0;       // of the order of windows
  Sampling sampling = Sampling::random;
  double validation_fraction = 0.1;  // fraction of the tokens, from the end, that is held out
  // If the file is a text: the kind of its tokenizer, or the file of a byte-pair tokenizer.
  Tokenizer::Kind tokenizer = Tokenizer::Kind::characters;
  std::string tokenizer_file = {};
};

// Batch::inputs and Batch::targets are (rows, context), int32 (token_windows.h).
class TokenLoader final : public BatchLoader {
 public:
  using Options = TokenLoaderOptions;

  // Throws ConfigurationError if an option is out of range, or if the data is too small for one
  // window or for validation.
  TokenLoader(const TokenData& data, const Options& options, Part part = {});
  // Loads a token file or a text with TokenData::load(), and throws as it does.
  TokenLoader(const std::string& path, const Options& options, Part part = {});

  std::unique_ptr<EvaluationSet> held_out(int64_t batch_size) const override;

  const Tokenizer& tokenizer() const { return data_.train.tokenizer(); }

 private:
  TokenLoader(const TokenSplit& data, const Options& options, Part part);

  TokenSplit data_;
  int64_t context_;
  Part part_;
};

// Adjacent windows that cover all of `data`, so that every token but the first is a target exactly
// once.
class TokenEvaluation final : public EvaluationBatches {
 public:
  TokenEvaluation(const TokenData& data, int64_t batch_size, int64_t context, Part part = {});
};

}  // namespace ripieno::io
