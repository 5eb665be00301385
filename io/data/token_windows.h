// TokenWindows: a Dataset whose sample i is the window of tokens that starts at token i.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "ripieno/io/data/dataset.h"
#include "ripieno/io/data/token_data.h"

namespace ripieno::io {

// Throws ConfigurationError if `context` is below 1.
void require_context(int64_t context);

// Inputs and targets are (context) int32; the target of a token is the next token. Beyond the end
// of the data, inputs are 0 and targets are kIgnoredTarget.
class TokenWindows final : public Dataset {
 public:
  // `context`: tokens per window. Throws ConfigurationError if it is below 1.
  TokenWindows(const TokenData& data, int64_t context);

  // A window starts at every token but the last.
  int64_t size() const override { return std::max<int64_t>(0, data_.size() - 1); }
  SampleLayout layout() const override;
  void read(int64_t index, const SampleRow& into) const override;
  std::string fingerprint() const override { return data_.fingerprint(); }
  std::string_view unit() const override { return "tokens"; }
  int64_t units_per_sample() const override { return context_; }

 private:
  TokenData data_;
  int64_t context_;
};

}  // namespace ripieno::io
