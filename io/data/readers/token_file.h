// Ripieno's own token files (docs/token_file_format.md).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ripieno/io/data/readers/data_file.h"
#include "ripieno/io/data/token_store.h"

namespace ripieno::io {

class WritableFile;

// The first 64 bytes of a token file, little-endian.
struct TokenFileHeader {
  static constexpr char kMagic[8] = {'R', 'I', 'P', 'T', 'O', 'K', 'E', 'N'};
  // In version 2, the highest bit of a token is set if the loss does not count it.
  static constexpr uint32_t kVersion = 1, kMarkedVersion = 2;
  static constexpr uint64_t kBlockBytes = 1 << 16;

  char magic[8];
  uint32_t version;
  uint32_t token_bytes;  // 2 or 4
  uint64_t vocabulary_size;
  uint64_t tokens;
  uint64_t description_bytes;  // size of the tokenizer's description (JSON) after this header
  uint64_t block_bytes;        // bytes of tokens covered by one hash
  uint64_t table_hash;         // hash of all bytes after the tokens: padding and block hashes
  uint64_t hash;               // hash of the fields above, the description and its padding

  uint64_t tokens_offset() const {
    return (sizeof(TokenFileHeader) + description_bytes + 63) / 64 * 64;
  }
  uint64_t tokens_end() const { return tokens_offset() + tokens * token_bytes; }
  uint64_t blocks() const { return (tokens * token_bytes + block_bytes - 1) / block_bytes; }
  uint64_t table_offset() const { return (tokens_end() + 7) / 8 * 8; }
  uint64_t file_bytes() const { return table_offset() + blocks() * sizeof(uint64_t); }
};
static_assert(sizeof(TokenFileHeader) == 64);

// Bytes per token in a token file: 2 or 4. `has_marks`: whether there are tokens that the loss does
// not count.
uint32_t token_bytes_for(int64_t vocabulary_size, bool has_marks = false);

// How a token file stores its tokens.
struct TokenForm {
  uint32_t bytes;
  bool has_marks = false;
};
// Appends tokens, of which those that the loss does not count are ~token (marked_text.h).
void append_tokens(std::span<const int32_t> marked, uint32_t token_bytes,
                   std::vector<std::byte>& bytes);
// Reads them back, without the marks; or with kIgnoredTarget for those that the loss does not
// count.
void unpack_tokens(std::span<const std::byte> bytes, TokenForm form, std::span<int32_t> out);
void unpack_targets(std::span<const std::byte> bytes, TokenForm form, std::span<int32_t> out);

// What a token file has around its tokens. To write one, add() the bytes of all tokens, seal(),
// then append the head, the same bytes again, and the table.
class TokenFileFrame {
 public:
  explicit TokenFileFrame(const Tokenizer& tokenizer, bool has_marks = false);

  void add(std::span<const std::byte> bytes);
  const TokenFileHeader& seal();
  void write_head(WritableFile& file) const;
  void write_table(WritableFile& file) const;

 private:
  void end_block();
  std::vector<std::byte> table() const;

  TokenFileHeader header_{};
  std::string description_;             // padded
  std::vector<std::byte> block_;        // the last block, while it is incomplete
  std::vector<uint64_t> block_hashes_;  // of the others
};

class TokenFile final : public TokenStore {
 public:
  // Opens a token file and verifies everything except the tokens. Throws StorageError, DataError.
  static std::unique_ptr<TokenFile> open(const std::string& path);

  int64_t size() const override { return static_cast<int64_t>(header_.tokens); }
  uint64_t hash() const override { return header_.hash; }
  std::string format() const override { return "token file"; }
  // Verifies each block when it is first used.
  void copy(int64_t begin, std::span<int32_t> out) const override;
  void copy_targets(int64_t begin, std::span<int32_t> out) const override;
  bool has_marks() const override { return header_.version == TokenFileHeader::kMarkedVersion; }
  // Verifies all blocks. Throws DataError if one is damaged.
  void verify() const;

 private:
  TokenFile(std::unique_ptr<DataFile> file, const TokenFileHeader& header, Tokenizer tokenizer);
  void verify_block(uint64_t block) const;
  TokenForm form() const { return {header_.token_bytes, has_marks()}; }
  std::span<const std::byte> read(int64_t begin, std::size_t tokens) const;

  std::unique_ptr<DataFile> file_;
  TokenFileHeader header_;
  std::unique_ptr<std::atomic<bool>[]> verified_;  // one flag per block
};

}  // namespace ripieno::io
