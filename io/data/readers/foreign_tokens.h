// Token files of other programs: bare token ids in one file, described by a header or another file
// (docs/data_formats.md). None of them has checksums, so every token is compared with the
// vocabulary whenever it is read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ripieno/io/data/readers/data_file.h"
#include "ripieno/io/data/token_store.h"

namespace ripieno::io {

// Element type of token ids, little-endian.
enum class TokenElement { uint8, int8, int16, int32, int64, uint16, uint32 };
int64_t bytes_of(TokenElement element);

// Tokens 0 .. tokens - 1 of a file, from byte `offset`.
struct TokenRange {
  TokenElement element = TokenElement::uint16;
  int64_t offset = 0;
  int64_t tokens = 0;
};

class ForeignTokens final : public TokenStore {
 public:
  // The range must be inside the file. `hash`: of the file, or of what describes it as well.
  ForeignTokens(std::unique_ptr<DataFile> file, TokenRange range, Tokenizer tokenizer,
                std::string format, uint64_t hash);

  int64_t size() const override { return range_.tokens; }
  uint64_t hash() const override { return hash_; }
  std::string format() const override { return format_; }
  void copy(int64_t begin, std::span<int32_t> out) const override;

 private:
  std::unique_ptr<DataFile> file_;
  TokenRange range_;
  std::string format_;
  uint64_t hash_;
};

// The tokenizer that the user names for tokens that do not say which they are of: nullopt if none.
using GivenTokenizer = std::optional<Tokenizer>;

// llm.c's token files, which the first eight bytes of a file identify: magic number and version.
// Without a given tokenizer, the vocabulary is that of GPT-2 (version 1) or Llama 3 (version 7).
// Throws DataError if the header or the size of the file is wrong, StorageError.
bool is_llmc(std::string_view beginning);
std::unique_ptr<TokenStore> open_llmc(const std::string& path, const GivenTokenizer& tokenizer);

// nanoGPT's files: uint16 tokens without a header. Throws ConfigurationError without a tokenizer,
// DataError if the size of the file is odd, StorageError.
std::unique_ptr<TokenStore> open_nanogpt(const std::string& path, const GivenTokenizer& tokenizer);

}  // namespace ripieno::io
