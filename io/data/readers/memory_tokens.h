// MemoryTokens: tokens in memory, of a text that was encoded or from a program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ripieno/io/data/token_store.h"

namespace ripieno::io {

class MemoryTokens final : public TokenStore {
 public:
  // `marked`: tokens, of which the loss does not count those stored as ~token (marked_text.h).
  // Throws DataError if a token is outside the vocabulary.
  MemoryTokens(std::span<const int32_t> marked, const Tokenizer& tokenizer, std::string name,
               SkippedData skipped = {});

  int64_t size() const override { return static_cast<int64_t>(bytes_.size()) / token_bytes_; }
  uint64_t hash() const override { return hash_; }
  std::string format() const override { return "text"; }
  void copy(int64_t begin, std::span<int32_t> out) const override;
  void copy_targets(int64_t begin, std::span<int32_t> out) const override;
  bool has_marks() const override { return has_marks_; }
  SkippedData skipped() const override { return skipped_; }

 private:
  std::span<const std::byte> range(int64_t begin, std::size_t tokens) const;

  bool has_marks_;
  uint32_t token_bytes_;          // as in a token file, to save memory
  std::vector<std::byte> bytes_;  // of the tokens
  uint64_t hash_ = 0;             // that of the token file with these tokens
  SkippedData skipped_;
};

}  // namespace ripieno::io
