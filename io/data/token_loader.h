// TokenLoader: batches of token windows for training a language model, read ahead by a background
// thread.
//
//   TokenLoader loader("tokens.bin", {.batch_size = 512, .context = 1024}, {.rank = 0, .size = 8});
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/data/batch_loader.h"
#include "ripieno/io/data/token_data.h"

namespace ripieno::io {

class TokenWindows;

enum class Sampling {
  random,  // every window starts at a random token
  epoch,   // adjacent windows, each once per epoch; the order and the first token of the windows
           // differ in each epoch
};

enum class Documents {
  stream,    // one sequence: attention crosses their boundaries
  separate,  // attention and positions within each; the token that ends one has no target
};

struct TokenLoaderOptions {
  int64_t batch_size = 0;  // windows per batch, of all ranks together; at least 1
  int64_t context = 0;     // tokens per window; at least 1
  uint64_t seed = 0;       // of the order of windows
  Sampling sampling = Sampling::random;
  double validation_fraction = 0.1;  // fraction of the tokens, from the end, that is held out
  // Tokens to validate with instead of that fraction, with the same tokenizer.
  std::optional<TokenData> validation = std::nullopt;
  // separate: batches have the extras of TokenWindows. Requires a tokenizer with a token that ends
  // documents.
  Documents documents = Documents::stream;
  TokenDataOptions data = {};  // how files are read
};

// A source of a mixture: of each group of windows as large as the sum of all weights, `weight` are
// from this source (mixture.h).
struct WeightedTokens {
  TokenData data;
  int64_t weight = 1;
};

// Batch::inputs and Batch::targets are (rows, context), int32 (token_windows.h).
class TokenLoader final : public BatchLoader {
 public:
  using Options = TokenLoaderOptions;

  // Throws ConfigurationError if an option is out of range, or if the data is too small for one
  // window or for validation.
  TokenLoader(const TokenData& data, const Options& options, Part part = {});
  // A mixture. Each source is sampled, and its end is held out, as if it were alone. Throws
  // DataError if the tokenizers differ, ConfigurationError if there is no source or a weight is out
  // of range, too.
  TokenLoader(const std::vector<WeightedTokens>& sources, const Options& options, Part part = {});
  // Loads a token file or a text with TokenData::load(), and throws as it does.
  TokenLoader(const std::string& path, const Options& options, Part part = {});

  std::unique_ptr<EvaluationSet> held_out(int64_t batch_size) const override;

  // Documents of texts, on the first rank; and windows that could not be read.
  std::optional<SkippedData> skipped() const override;
  std::string fingerprint() const override { return fingerprint_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  struct Sources;
  TokenLoader(const Sources& sources, const Options& options, Part part);
  TokenLoader(const Sources& sources, std::shared_ptr<const TokenWindows> windows,
              const Options& options, Part part);

  Tokenizer tokenizer_;
  std::string fingerprint_;
  std::vector<TokenData> validation_;  // of each source
  SkippedData skipped_documents_;
  int64_t context_;
  std::optional<int32_t> end_of_document_;  // if documents are separate
  Part part_;
};

// Adjacent windows that cover all of the data, so that every token but the first of each source is
// a target exactly once.
class TokenEvaluation final : public EvaluationBatches {
 public:
  TokenEvaluation(const TokenData& data, int64_t batch_size, int64_t context, Part part = {});
  // `end_of_document` as for TokenWindows.
  TokenEvaluation(const std::vector<TokenData>& sources, int64_t batch_size, int64_t context,
                  Part part = {}, std::optional<int32_t> end_of_document = std::nullopt);
};

}  // namespace ripieno::io
