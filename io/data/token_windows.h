// TokenWindows: a Dataset whose samples are the windows of tokens that start at each token of its
// sources, one source after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/io/data/dataset.h"
#include "ripieno/io/data/token_data.h"

namespace ripieno::io {

// Throws ConfigurationError if `context` is below 1.
void require_context(int64_t context);

// Inputs and targets are (context) int32; the target of a token is the next token. Beyond the end
// of a source, inputs are 0 and targets are kIgnoredTarget.
class TokenWindows final : public Dataset {
 public:
  // `context`: tokens per window. Throws ConfigurationError if it is below 1.
  TokenWindows(std::vector<TokenData> sources, int64_t context);

  // A window starts at every token but the last of each source.
  int64_t size() const override { return ends_.back(); }
  // The index of the window of a source that starts at its token `token`.
  int64_t index_of(std::size_t source, int64_t token) const {
    return (source == 0 ? 0 : ends_[source - 1]) + token;
  }
  SampleLayout layout() const override;
  void read(int64_t index, const SampleRow& into) const override;
  // That of the only source, or a hash of those of all.
  std::string fingerprint() const override;
  std::string_view unit() const override { return "tokens"; }
  int64_t units_per_sample() const override { return context_; }

 private:
  std::vector<TokenData> sources_;
  std::vector<int64_t> ends_;  // of the windows of each source; [0] if there are none
  int64_t context_;
};

}  // namespace ripieno::io
