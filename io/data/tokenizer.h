// Tokenizer: converts text to token ids and back, for training data, prompts and generated text.
//
// Token files and checkpoints contain its description, so that the text of a model can be decoded
// without the training data. Immutable and thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/data/tokenizers/tokenizer_training.h"
#include "ripieno/io/files/json.h"

namespace ripieno::io {

class BytePairTokenizer;
struct TokenizerDefinition;

// How encode() treats the special tokens of a byte-pair tokenizer, such as <|endoftext|>.
enum class SpecialTokens {
  recognized,  // each is its own token
  as_text,     // they are encoded like other text, as text from strangers must be
};

class Tokenizer {
 public:
  enum class Kind {
    bytes,       // a token is a byte: 256 tokens
    characters,  // a token is the index of a Unicode character in the sorted set of characters of
                 // the training text
    external,    // tokens made by another program; only their number is known
    byte_pair,   // byte-level BPE: tokens are sequences of bytes that are frequent in a text
  };

  static Tokenizer bytes();
  // The vocabulary is the set of characters in `text`. Throws DataError if it is not valid UTF-8.
  static Tokenizer characters_of(std::string_view text);
  // For token ids from another program. Throws DataError if vocabulary_size is below 1.
  static Tokenizer external(std::string name, int64_t vocabulary_size);

  // Reads a byte-level BPE tokenizer: a tokenizer.json of the GPT-2, Llama 3, Qwen 2 to 3.5 or
  // o200k family, a vocab.json with its merges.txt, a .tiktoken file, or a folder with one of them.
  // `pattern` is needed for a .tiktoken file of an unknown vocabulary only: it does not say how it
  // splits text. Throws ConfigurationError if the file does not exist; DataError, with the path, if
  // it is damaged or has anything that is not supported.
  static Tokenizer load(const std::string& path, const std::string& pattern = "");
  // Finds the most frequent sequences of bytes in texts. `next_text` returns a part of them with
  // each call, cut anywhere, and nullopt at their end. The result is the same for any number of
  // threads and any cuts; its vocabulary is smaller than asked for if the texts have no more
  // sequences. Throws ConfigurationError if the options are invalid.
  static Tokenizer train(const TokenizerTraining& options,
                         const std::function<std::optional<std::string>()>& next_text);

  // {"kind": "bytes"}, {"kind": "characters", "characters": " abc"},
  // {"kind": "external", "name": "gpt2", "vocabulary_size": 50257} or
  // {"kind": "byte_pair", "tokenizer": {...}}, with the content of a tokenizer.json
  nlohmann::json description() const;
  // The tokenizer with this description. Throws DataError if the description is invalid.
  static Tokenizer described(const nlohmann::json& description);

  Kind kind() const { return kind_; }
  int64_t vocabulary_size() const { return vocabulary_size_; }

  // The tokenizer as a file that load() and Hugging Face's library read: the text of a
  // tokenizer.json. Throws Error unless the kind is byte_pair.
  std::string tokenizer_json() const;
  // The token that ends a document, by its name in the families that load() reads; nullopt if the
  // vocabulary has none.
  std::optional<int32_t> end_of_document() const;
  // A hash of everything that the ids of a text depend on, 16 hexadecimal digits.
  std::string identity() const;
  // Whether the identities are equal; fast for copies of the same tokenizer.
  bool is_same_as(const Tokenizer& other) const;

  // Token ids of `text`. Kinds bytes and byte_pair encode any bytes, also invalid UTF-8. Throws
  // DataError if the text is not valid UTF-8 (kind characters) or has a character outside the
  // vocabulary, Error if the kind is external.
  std::vector<int32_t> encode(std::string_view text,
                              SpecialTokens special = SpecialTokens::recognized) const;
  // The last position above `least` at which `text`, the beginning of a longer text, can be cut so
  // that the ids of the parts are those of the whole; nullopt if it has none. Throws Error if the
  // kind is external.
  std::optional<std::size_t> last_cut(std::string_view text, std::size_t least = 0) const;
  // Text of `tokens`, special ones too. The bytes of a single token of kinds bytes and byte_pair
  // may be a part of a character. Throws DataError if a token is outside the vocabulary, Error if
  // the kind is external.
  std::string decode(std::span<const int32_t> tokens) const;

 private:
  explicit Tokenizer(Kind kind, int64_t vocabulary_size)
      : kind_(kind), vocabulary_size_(vocabulary_size) {}
  static Tokenizer characters(std::vector<char32_t> sorted);
  static Tokenizer byte_pair(TokenizerDefinition definition);
  int32_t token_of(char32_t character) const;
  void require_known(const char* operation) const;

  Kind kind_;
  int64_t vocabulary_size_;
  std::vector<char32_t> characters_;                     // sorted; a token is an index into it
  std::string name_;                                     // kind external only
  std::shared_ptr<const BytePairTokenizer> byte_pairs_;  // kind byte_pair only
};

}  // namespace ripieno::io
