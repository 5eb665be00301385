// BytePairTokenizer: a byte-level BPE tokenizer, made from its definition. Not installed; programs
// use Tokenizer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/data/tokenizers/added_tokens.h"
#include "ripieno/io/data/tokenizers/byte_pair_model.h"
#include "ripieno/io/data/tokenizers/tokenizer_definition.h"

namespace ripieno::io {

// Immutable and thread-safe.
class BytePairTokenizer {
 public:
  // Throws DataError if the definition contradicts itself.
  explicit BytePairTokenizer(TokenizerDefinition definition);

  const TokenizerDefinition& definition() const { return definition_; }
  // One more than the highest id.
  int64_t vocabulary_size() const { return static_cast<int64_t>(texts_.size()); }
  // The id of the added token with this text.
  std::optional<int32_t> added_token(std::string_view text) const;

  // Appends the tokens of a text, which may be any bytes.
  void encode(std::string_view text, bool has_special_tokens, std::vector<int32_t>& out) const;
  // The bytes of a token. Throws DataError if there is no token with this id.
  std::string_view bytes_of(int32_t token) const;

  // The last position of `text`, the beginning of a longer text, above `least` at which it can be
  // cut: the tokens of both sides are those of the whole. nullopt if there is none.
  std::optional<std::size_t> last_cut(std::string_view text, std::size_t least) const;

 private:
  void encode_pieces(std::string_view text, std::vector<int32_t>& out) const;

  TokenizerDefinition definition_;
  BytePairModel model_;
  // Tokens found in the text as it is, and in the normalized text; with special ones, and without.
  struct Added {
    AddedTokens raw, normalized;
  };
  Added all_, ordinary_;
  std::vector<std::string> texts_;  // by id; empty: there is no such token
};

}  // namespace ripieno::io
