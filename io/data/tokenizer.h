// Tokenizer: text to token numbers and back, for training data, prompts and generated text.
//
// Its description travels with the tokens and with the checkpoints, so that whoever has those can
// read the model's words.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::io {

class Tokenizer {
 public:
  enum class Kind {
    bytes,       // a token is a byte
    characters,  // a token is the index of a Unicode character in the sorted set of a text's
                 // characters
    external,    // tokens made by another program: nothing is known but how many there are
  };

  static Tokenizer bytes();
  // Throws DataError where `text` is not UTF-8.
  static Tokenizer characters_of(std::string_view text);
  static Tokenizer external(std::string name, int64_t vocabulary_size);

  // {"kind": "bytes"}, {"kind": "characters", "characters": " abc"} or
  // {"kind": "external", "name": "gpt2", "vocabulary_size": 50257}
  nlohmann::json description() const;
  // Throws DataError where it is none of these.
  static Tokenizer described(const nlohmann::json& description);

  Kind kind() const { return kind_; }
  int64_t vocabulary_size() const { return vocabulary_size_; }

  // Throws DataError at a character outside the vocabulary, and Error where the kind is external.
  std::vector<int32_t> encode(std::string_view text) const;
  // Throws DataError at a token outside the vocabulary, and Error where the kind is external.
  std::string decode(std::span<const int32_t> tokens) const;

 private:
  explicit Tokenizer(Kind kind, int64_t vocabulary_size)
      : kind_(kind), vocabulary_size_(vocabulary_size) {}
  static Tokenizer characters(std::vector<char32_t> sorted);
  int32_t token_of(char32_t character) const;
  void require_known(const char* operation) const;

  Kind kind_;
  int64_t vocabulary_size_;
  std::vector<char32_t> characters_;  // sorted; a token is an index
  std::string name_;                  // of an external one
};

}  // namespace ripieno::io
