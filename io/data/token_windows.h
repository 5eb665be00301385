// TokenWindows: a Dataset whose samples are the windows of tokens that start at each token of its
// sources, one source after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/data/dataset.h"
#include "ripieno/io/data/token_data.h"

namespace ripieno::io {

// Throws ConfigurationError if `context` is below 1.
void require_context(int64_t context);

// Inputs and targets are (context) int32; the target of a token is the next token. Beyond the end
// of a source, inputs are 0 and targets are kIgnoredTarget.
//
// With a token that ends documents, there are two extras, (context) int32, from which attention
// within documents follows: kDocumentBegin, the index within the window of the first token of each
// token's document, and kDocumentPosition, the token's own index in it. The last token of a
// document has no target.
inline constexpr const char* kDocumentBegin = "document_begin";
inline constexpr const char* kDocumentPosition = "document_position";

class TokenWindows final : public Dataset {
 public:
  // `context`: tokens per window. Throws ConfigurationError if it is below 1. `end_of_document`:
  // the token that ends each document; nullopt: documents are one stream.
  TokenWindows(std::vector<TokenData> sources, int64_t context,
               std::optional<int32_t> end_of_document = std::nullopt);

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
  void mark_documents(const SampleRow& into) const;

  std::vector<TokenData> sources_;
  std::vector<int64_t> ends_;  // of the windows of each source; [0] if there are none
  int64_t context_;
  std::optional<int32_t> end_of_document_;
};

}  // namespace ripieno::io
