// TokenLoader: windows of a text for training a language model, made ahead of time by a thread of
// its own.
//
//   TokenLoader loader("tokens.bin", {.batch_size = 512, .context = 1024}, {.rank = 0, .size = 8});
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ripieno/io/data/loader.h"
#include "ripieno/io/data/token_data.h"

namespace ripieno::io {

class Prefetcher;

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

// Batch::inputs and Batch::targets are (rows, context), int32; the target of a token is the one
// after it.
class TokenLoader final : public Loader {
 public:
  using Options = TokenLoaderOptions;

  // Throws ConfigurationError where a rank would get no row, or the data is smaller than one
  // context.
  TokenLoader(const TokenData& data, const Options& options, Part part = {});
  // A token file or a text.
  TokenLoader(const std::string& path, const Options& options, Part part = {});
  ~TokenLoader() override;

  Batch next() override;
  int64_t position() const override;
  void seek(int64_t position) override;

  int64_t batch_size() const override { return options_.batch_size; }
  std::string_view unit() const override { return "tokens"; }
  int64_t units_per_sample() const override { return options_.context; }
  std::string fingerprint() const override { return data_.train.fingerprint(); }
  std::unique_ptr<EvaluationSet> held_out(int64_t batch_size) const override;

  const Tokenizer& tokenizer() const { return data_.train.tokenizer(); }

 private:
  Options options_;
  Part part_;
  TokenSplit data_;
  std::unique_ptr<Prefetcher> prefetcher_;
};

// All windows of `data` side by side, so that each token but the first is a target once; the last
// window is filled up with targets that are ignored.
class TokenEvaluation final : public EvaluationSet {
 public:
  TokenEvaluation(const TokenData& data, int64_t batch_size, int64_t context, Part part = {});

  int64_t batches() const override;
  Batch batch(int64_t index) const override;

 private:
  int64_t windows() const;

  TokenData data_;
  int64_t batch_size_;
  int64_t context_;
  Part part_;
};

// "random" or "epoch", as configurations name them. Throws ConfigurationError for another name.
Sampling sampling_named(std::string_view name);

}  // namespace ripieno::io
