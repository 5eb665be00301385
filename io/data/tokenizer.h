// Tokenizer: converts text to token ids and back, for training data, prompts and generated text.
//
// Token files and checkpoints contain its description, so that the text of a model can be decoded
// without the training data. Immutable and thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/files/json.h"

namespace ripieno::io {

class Tokenizer {
 public:
  enum class Kind {
    bytes,       // a token is a byte: 256 tokens
    characters,  // a token is the index of a Unicode character in the sorted set of characters of
                 // the training text
    external,    // tokens made by another program; only their number is known
  };

  static Tokenizer bytes();
  // The vocabulary is the set of characters in `text`. Throws DataError if it is not valid UTF-8.
  static Tokenizer characters_of(std::string_view text);
  // For token ids from another program. Throws DataError if vocabulary_size is below 1.
  static Tokenizer external(std::string name, int64_t vocabulary_size);

  // {"kind": "bytes"}, {"kind": "characters", "characters": " abc"} or
  // {"kind": "external", "name": "gpt2", "vocabulary_size": 50257}
  nlohmann::json description() const;
  // The tokenizer with this description. Throws DataError if the description is invalid.
  static Tokenizer described(const nlohmann::json& description);

  Kind kind() const { return kind_; }
  int64_t vocabulary_size() const { return vocabulary_size_; }

  // Token ids of `text`. Throws DataError if the text is not valid UTF-8 (kind characters) or has a
  // character outside the vocabulary, Error if the kind is external.
  std::vector<int32_t> encode(std::string_view text) const;
  // Text of `tokens`. Throws DataError if a token is outside the vocabulary, Error if the kind is
  // external.
  std::string decode(std::span<const int32_t> tokens) const;

 private:
  explicit Tokenizer(Kind kind, int64_t vocabulary_size)
      : kind_(kind), vocabulary_size_(vocabulary_size) {}
  static Tokenizer characters(std::vector<char32_t> sorted);
  int32_t token_of(char32_t character) const;
  void require_known(const char* operation) const;

  Kind kind_;
  int64_t vocabulary_size_;
  std::vector<char32_t> characters_;  // sorted; a token is an index into it
  std::string name_;                  // kind external only
};

}  // namespace ripieno::io
