// TokenData: a sequence of tokens and its tokenizer, from texts or token files, for training
// language models.
//
// A handle on shared, immutable data: copies and slices are cheap, and reading is thread-safe.
// Texts are held in memory. Token files are read where they are, so they may be of any size.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/data/data_format.h"
#include "ripieno/io/data/data_policy.h"
#include "ripieno/io/data/tokenizer.h"

namespace ripieno::io {

class FileSystem;
class TokenStore;

// How files are read as tokens.
struct TokenDataOptions {
  DataFormat format = DataFormat::automatic;
  // Of a text: the kind of its tokenizer, or the file of a byte-pair tokenizer (Tokenizer::load()).
  // The latter also names the tokenizer of token files that do not say which they have.
  Tokenizer::Kind tokenizer = Tokenizer::Kind::characters;
  std::string tokenizer_file = {};
  // Of token files that do not say how many tokens their vocabulary has, if no tokenizer is given.
  // 0: unknown, so such files are refused.
  int64_t vocabulary_size = 0;
  // What a line of JSON or a row of Parquet has, and in which fields. Of messages, the field is
  // "messages".
  TextContent content = TextContent::text;
  std::string text_field = "text", prompt_field = "prompt", completion_field = "completion";
  // Of documents that cannot be parsed and files that cannot be read, of texts only.
  OnDataError on_error = OnDataError::stop;
};

class TokenData {
 public:
  // Tokens in memory, from a text or from token ids. `name` identifies the data in messages. Throws
  // DataError if the tokenizer cannot encode the text, or if an id is outside the vocabulary.
  static TokenData of(std::string_view text, const Tokenizer& tokenizer,
                      const std::string& name = "text");
  static TokenData of(std::span<const int32_t> tokens, const Tokenizer& tokenizer,
                      const std::string& name = "tokens");
  // Opens a token file and verifies its header; each of its blocks is verified when it is first
  // read. Throws ConfigurationError if it does not exist, DataError if it is damaged.
  static TokenData open(const std::string& path);
  // Reads files as one stream of tokens, in this order. A path is a file, a folder (the files in it
  // by name), or a pattern such as "part_*.bin" (the files that match, by name). Throws
  // ConfigurationError if there is no such file, or the tokenizer must be given and is not;
  // DataError, naming the file, if a file is damaged, is of none of the formats (saying what it is
  // and what to do), or has another tokenizer than the first.
  //
  // The characters of all texts are one vocabulary. Special tokens are recognized in texts. After
  // each document of JSON lines and Parquet follows the tokenizer's end-of-document token, or else
  // a line break.
  static TokenData load(const std::vector<std::string>& paths,
                        const TokenDataOptions& options = {});
  static TokenData load(const std::string& path, const TokenDataOptions& options = {});

  // Writes a token file atomically; durable once it returns. Throws StorageError, or DataError if
  // the source is damaged.
  void save(FileSystem& files, const std::string& path) const;

  // Number of tokens.
  int64_t size() const { return end_ - begin_; }
  const Tokenizer& tokenizer() const;
  // The path, or the name given to of(); for messages.
  const std::string& name() const;
  // What the data was recognized as: "llm.c tokens", "text".
  std::string format() const;
  // Hash of the tokens and the vocabulary, 16 hexadecimal digits: of all tokens, except for token
  // files without checksums, of which samples are hashed. A slice has that of the whole data.
  std::string fingerprint() const;

  // Tokens begin .. end - 1. Throws Error if they are out of range.
  TokenData slice(int64_t begin, int64_t end) const;
  // out[i] = token begin + i. Throws Error if the range is outside the data, DataError if its block
  // of the file is damaged or a token is outside the vocabulary.
  void copy(int64_t begin, std::span<int32_t> out) const;
  // The same, with kIgnoredTarget (batch.h) for tokens that the loss does not count, such as those
  // of prompts. has_marks(): whether there may be any.
  void copy_targets(int64_t begin, std::span<int32_t> out) const;
  bool has_marks() const;
  // Documents that were left out when the data was read (TokenDataOptions::on_error).
  SkippedData skipped() const;

 private:
  void require_inside(int64_t begin, std::size_t tokens) const;
  explicit TokenData(std::shared_ptr<const TokenStore> store);

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
