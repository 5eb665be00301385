// TokenWindows: a Dataset whose sample i is the window of a text that begins at token i.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "ripieno/io/data/dataset.h"
#include "ripieno/io/data/token_data.h"

namespace ripieno::io {

// Throws ConfigurationError where a window would have no token.
void require_context(int64_t context);

// Inputs and targets are (context) int32; the target of a token is the one after it. A window that
// passes the end of the text is filled up with targets that are ignored.
class TokenWindows final : public Dataset {
 public:
  // Throws ConfigurationError where the context is below 1.
  TokenWindows(const TokenData& data, int64_t context);

  // Every token but the last begins a window.
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
