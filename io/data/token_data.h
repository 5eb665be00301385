// TokenData: a long sequence of tokens with its tokenizer, from a text or from a token file, for
// training on text.
//
// A handle on shared, constant memory: copies and slices are cheap, and any thread may read. A
// token file is memory-mapped, and each of its blocks is verified the first time it is read
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
  // The tokens of a text, in memory. `name` stands in messages.
  static TokenData of(std::string_view text, const Tokenizer& tokenizer,
                      const std::string& name = "text");
  static TokenData of(std::span<const int32_t> tokens, const Tokenizer& tokenizer,
                      const std::string& name = "tokens");
  // A text file, and as its vocabulary all its characters (or the bytes). Throws DataError, with
  // what it is and what to do, where it is another kind of file, or UTF-16, or has NULs.
  static TokenData from_text(const std::string& path,
                             Tokenizer::Kind kind = Tokenizer::Kind::characters);
  // A token file. Throws ConfigurationError where there is none, DataError where it is damaged.
  static TokenData open(const std::string& path);
  // Either: a token file is known by its first bytes; everything else is read as text.
  static TokenData load(const std::string& path,
                        Tokenizer::Kind kind = Tokenizer::Kind::characters);

  // Writes a token file, whole or not at all.
  void save(FileSystem& files, const std::string& path) const;

  int64_t size() const { return end_ - begin_; }
  const Tokenizer& tokenizer() const;
  // Where it came from, for messages.
  const std::string& name() const;
  // 16 hexadecimal digits that change with any token and with the vocabulary; of a slice, those of
  // the whole.
  std::string fingerprint() const;

  // The tokens begin .. end - 1 of these.
  TokenData slice(int64_t begin, int64_t end) const;
  // out[i] = token begin + i. Throws DataError where the file's block is damaged.
  void copy(int64_t begin, std::span<int32_t> out) const;

 private:
  TokenData(std::shared_ptr<const TokenStore> store, int64_t begin, int64_t end)
      : store_(std::move(store)), begin_(begin), end_(end) {}

  std::shared_ptr<const TokenStore> store_;
  int64_t begin_;
  int64_t end_;
};

// The first part to train on, the last to validate with.
struct TokenSplit {
  TokenData train;
  TokenData validation;
};
// Throws ConfigurationError where the fraction is outside [0, 1).
TokenSplit split(const TokenData& data, double validation_fraction);

}  // namespace ripieno::io
