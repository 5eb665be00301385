// TokenStore: the immutable memory behind TokenData, in the layout of a token file
// (docs/token_file_format.md).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ripieno/io/data/tokenizer.h"
#include "ripieno/io/files/memory_map.h"

namespace ripieno::io {

// The first 64 bytes of a token file, little-endian.
struct TokenFileHeader {
  static constexpr char kMagic[8] = {'R', 'I', 'P', 'T', 'O', 'K', 'E', 'N'};
  static constexpr uint32_t kVersion = 1;
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

class TokenStore {
 public:
  // Builds a token file in memory. Throws DataError if a token is outside the vocabulary.
  TokenStore(std::span<const int32_t> tokens, const Tokenizer& tokenizer, const std::string& name);
  // Maps a token file and verifies everything except the tokens. Throws StorageError, DataError.
  explicit TokenStore(const std::string& path);

  int64_t size() const { return static_cast<int64_t>(header_.tokens); }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const std::string& name() const { return name_; }
  uint64_t hash() const { return header_.hash; }
  std::span<const std::byte> image() const { return image_; }

  // Copies tokens begin .. begin + out.size() - 1. Verifies their blocks on first use; throws
  // DataError if one is damaged. Thread-safe.
  void copy(int64_t begin, std::span<int32_t> out) const;
  // Verifies all blocks. Throws DataError if one is damaged.
  void verify() const { verify(0, size()); }

 private:
  void build(std::span<const int32_t> tokens);
  void read_header();
  uint64_t header_hash() const;
  void verify(int64_t begin, int64_t end) const;
  void verify_block(uint64_t block) const;
  std::span<const std::byte> block_bytes(uint64_t block) const;

  std::string name_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<MemoryMap> map_;      // of a file
  std::vector<std::byte> memory_;     // of tokens in memory
  std::span<const std::byte> image_;  // the whole file: map_ or memory_
  TokenFileHeader header_{};
  std::unique_ptr<std::atomic<bool>[]> verified_;  // one flag per block; null for tokens in memory
};

}  // namespace ripieno::io
