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
  // Throws DataError if a token is outside the vocabulary.
  MemoryTokens(std::span<const int32_t> tokens, const Tokenizer& tokenizer, std::string name);

  int64_t size() const override { return static_cast<int64_t>(bytes_.size()) / token_bytes_; }
  uint64_t hash() const override { return hash_; }
  std::string format() const override { return "text"; }
  void copy(int64_t begin, std::span<int32_t> out) const override;

 private:
  uint32_t token_bytes_;          // as in a token file, to save memory
  std::vector<std::byte> bytes_;  // of the tokens
  uint64_t hash_ = 0;             // that of the token file with these tokens
};

}  // namespace ripieno::io
