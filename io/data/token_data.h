// TokenData: a sequence of tokens and its tokenizer, from a text or a token file, for training
// language models.
//
// A handle on shared, immutable memory: copies and slices are cheap, and reading is thread-safe. A
// token file is memory-mapped; each of its blocks is verified when it is first read
// (docs/token_file_format.md).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ripieno/io/data/tokenizer.h"

namespace ripieno::io {

class FileSystem;
class TokenStore;

class TokenData {
 public:
  // Tokens in memory, from a text or from token ids. `name` identifies the data in messages. Throws
  // DataError if the tokenizer cannot encode the text, or if an id is outside the vocabulary.
  static TokenData of(std::string_view text, const Tokenizer& tokenizer,
                      const std::string& name = "text");
  static TokenData of(std::span<const int32_t> tokens, const Tokenizer& tokenizer,
                      const std::string& name = "tokens");
  // Reads and encodes a text file. The vocabulary is the set of its characters, or the 256 bytes.
  // Throws ConfigurationError if the file does not exist; DataError, saying what it is and what to
  // do, if it is not text (an archive, UTF-16, contains NULs) or not valid UTF-8.
  static TokenData from_text(const std::string& path,
                             Tokenizer::Kind kind = Tokenizer::Kind::characters);
  // The same with a tokenizer that exists. Its special tokens are recognized in the text.
  static TokenData from_text(const std::string& path, const Tokenizer& tokenizer);
  // Maps a token file and verifies its header. Throws ConfigurationError if it does not exist,
  // DataError if it is damaged.
  static TokenData open(const std::string& path);
  // open() if the file begins like a token file, else from_text(), with the tokenizer of
  // `tokenizer_file` (Tokenizer::load()) if that is not empty.
  static TokenData load(const std::string& path, Tokenizer::Kind kind = Tokenizer::Kind::characters,
                        const std::string& tokenizer_file = "");

  // Writes a token file atomically; durable once it returns. Throws StorageError, or DataError if
  // the source is damaged.
  void save(FileSystem& files, const std::string& path) const;

  // Number of tokens.
  int64_t size() const { return end_ - begin_; }
  const Tokenizer& tokenizer() const;
  // The path, or the name given to of(); for messages.
  const std::string& name() const;
  // Hash of all tokens and the vocabulary, 16 hexadecimal digits. A slice has that of the whole
  // data.
  std::string fingerprint() const;

  // Tokens begin .. end - 1. Throws Error if they are out of range.
  TokenData slice(int64_t begin, int64_t end) const;
  // out[i] = token begin + i. Throws Error if the range is outside the data, DataError if its block
  // of the file is damaged.
  void copy(int64_t begin, std::span<int32_t> out) const;

 private:
  TokenData(std::shared_ptr<const TokenStore> store, int64_t begin, int64_t end)
      : store_(std::move(store)), begin_(begin), end_(end) {}

  std::shared_ptr<const TokenStore> store_;
  int64_t begin_;
  int64_t end_;
};

// The beginning of the data for training, the end for validation.
struct TokenSplit {
  TokenData train;
  TokenData validation;
};
// Throws ConfigurationError if the fraction is outside [0, 1).
TokenSplit split(const TokenData& data, double validation_fraction);

}  // namespace ripieno::io
