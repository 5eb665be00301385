// TokenStore: where the tokens behind TokenData are: in memory, or in files of one of the formats
// that io/data/readers reads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "ripieno/io/data/data_policy.h"
#include "ripieno/io/data/tokenizer.h"

namespace ripieno::io {

// Immutable and thread-safe.
class TokenStore {
 public:
  virtual ~TokenStore() = default;
  TokenStore(const TokenStore&) = delete;
  TokenStore& operator=(const TokenStore&) = delete;

  const Tokenizer& tokenizer() const { return tokenizer_; }
  // The path or name of the data, for messages.
  const std::string& name() const { return name_; }

  // Number of tokens.
  virtual int64_t size() const = 0;
  // Identifies the tokens and the vocabulary.
  virtual uint64_t hash() const = 0;
  // "llm.c tokens", "text".
  virtual std::string format() const = 0;
  // out[i] = token begin + i; the caller checks that the range is inside the data. Throws
  // DataError if the data is damaged or a token is outside the vocabulary.
  virtual void copy(int64_t begin, std::span<int32_t> out) const = 0;
  // The same, with kIgnoredTarget (batch.h) for tokens that the loss does not count; has_marks():
  // whether there may be any.
  virtual void copy_targets(int64_t begin, std::span<int32_t> out) const { copy(begin, out); }
  virtual bool has_marks() const { return false; }
  // Documents that were left out.
  virtual SkippedData skipped() const { return {}; }

 protected:
  TokenStore(std::string name, Tokenizer tokenizer)
      : name_(std::move(name)), tokenizer_(std::move(tokenizer)) {}

  // Throws the DataError for a token outside the vocabulary.
  [[noreturn]] void refuse(int64_t token) const;

 private:
  std::string name_;
  Tokenizer tokenizer_;
};

}  // namespace ripieno::io
