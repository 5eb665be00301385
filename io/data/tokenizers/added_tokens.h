// AddedTokens: finds the special tokens of a text. Not installed.
#pragma once

#include <array>
#include <functional>
#include <string_view>
#include <vector>

#include "ripieno/io/data/tokenizers/byte_trie.h"
#include "ripieno/io/data/tokenizers/tokenizer_definition.h"

namespace ripieno::io {

// Immutable and thread-safe.
class AddedTokens {
 public:
  // Throws DataError if a token is empty or there twice.
  explicit AddedTokens(const std::vector<AddedToken>& tokens);

  // Calls on_text or on_token for each part of the text in turn. Of tokens that begin at the same
  // byte, the longest is taken.
  void split(std::string_view text, const std::function<void(std::string_view)>& on_text,
             const std::function<void(int32_t)>& on_token) const;
  // Whether a token may lie across byte `at` of the text.
  bool crosses(std::string_view text, std::size_t at) const;
  // Bytes of the longest token.
  std::size_t longest() const { return longest_; }

 private:
  ByteTrie trie_;
  std::array<bool, 256> is_first_{};  // whether a token begins with the byte
  std::size_t longest_ = 0;
  int only_first_ = -1;  // the first byte of all tokens, if they share it
};

}  // namespace ripieno::io
