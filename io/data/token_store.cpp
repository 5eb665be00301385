#include "ripieno/io/data/token_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::io {
namespace {

constexpr std::size_t kHashedHeaderBytes = offsetof(TokenFileHeader, hash);
constexpr int64_t kWidestInTwoBytes = 1 << 16;

[[noreturn]] void damaged(const std::string& name, const std::string& what) {
  throw DataError(fmt::format("{}: {}; write the token file again", name, what));
}

[[noreturn]] void outside(const std::string& name, int64_t token, int64_t vocabulary_size) {
  throw DataError(fmt::format("{}: token {} is outside the vocabulary of {} tokens", name, token,
                              vocabulary_size));
}

// Calls visit() with a pointer of the right type to the first token.
template <typename Visit>
void visit_tokens(const std::byte* bytes, uint32_t token_bytes, Visit visit) {
  if (token_bytes == 2) {
    visit(reinterpret_cast<const uint16_t*>(bytes));
  } else {
    visit(reinterpret_cast<const uint32_t*>(bytes));
  }
}

template <typename Token>
void narrow(std::span<const int32_t> tokens, std::byte* out) {
  std::transform(tokens.begin(), tokens.end(), reinterpret_cast<Token*>(out),
                 [](int32_t token) { return static_cast<Token>(token); });
}

// Rejects sizes larger than the file first, so that computing offsets from them cannot overflow.
bool is_plausible(const TokenFileHeader& header, uint64_t file_bytes) {
  return (header.token_bytes == 2 || header.token_bytes == 4) && header.tokens <= file_bytes &&
         header.description_bytes <= file_bytes && header.block_bytes >= header.token_bytes &&
         header.block_bytes % header.token_bytes == 0 && header.block_bytes <= uint64_t{1} << 32 &&
         header.file_bytes() == file_bytes;
}

}  // namespace

TokenStore::TokenStore(std::span<const int32_t> tokens, const Tokenizer& tokenizer,
                       const std::string& name)
    : name_(name), tokenizer_(tokenizer) {
  for (const int32_t token : tokens) {
    if (token < 0 || token >= tokenizer.vocabulary_size())
      outside(name, token, tokenizer.vocabulary_size());
  }
  build(tokens);
}

TokenStore::TokenStore(const std::string& path) : name_(path), map_(path), image_(map_->bytes()) {
  read_header();
  const auto* text = reinterpret_cast<const char*>(image_.data()) + sizeof(TokenFileHeader);
  const auto description = nlohmann::json::parse(text, text + header_.description_bytes, nullptr,
                                                 /*allow_exceptions=*/false);
  tokenizer_ = Tokenizer::described(description);
  if (tokenizer_->vocabulary_size() != static_cast<int64_t>(header_.vocabulary_size)) {
    damaged(name_, fmt::format("its header gives a vocabulary of {} tokens, its tokenizer has {}",
                               header_.vocabulary_size, tokenizer_->vocabulary_size()));
  }
  verified_ = std::make_unique<std::atomic<bool>[]>(header_.blocks());
}

void TokenStore::build(std::span<const int32_t> tokens) {
  const std::string description = tokenizer_->description().dump();
  std::copy_n(TokenFileHeader::kMagic, sizeof(header_.magic), header_.magic);
  header_.version = TokenFileHeader::kVersion;
  header_.token_bytes = tokenizer_->vocabulary_size() <= kWidestInTwoBytes ? 2 : 4;
  header_.vocabulary_size = static_cast<uint64_t>(tokenizer_->vocabulary_size());
  header_.tokens = tokens.size();
  header_.description_bytes = description.size();
  header_.block_bytes = TokenFileHeader::kBlockBytes;
  memory_.resize(header_.file_bytes());
  image_ = memory_;

  std::memcpy(memory_.data() + sizeof(header_), description.data(), description.size());
  std::byte* const first = memory_.data() + header_.tokens_offset();
  header_.token_bytes == 2 ? narrow<uint16_t>(tokens, first) : narrow<uint32_t>(tokens, first);
  for (uint64_t block = 0; block < header_.blocks(); ++block) {
    const uint64_t hash = hash_of(block_bytes(block));
    std::memcpy(memory_.data() + header_.table_offset() + block * sizeof(hash), &hash,
                sizeof(hash));
  }
  header_.table_hash = hash_of(image_.subspan(header_.tokens_end()));
  std::memcpy(memory_.data(), &header_, sizeof(header_));
  header_.hash = header_hash();
  std::memcpy(memory_.data(), &header_, sizeof(header_));
}

void TokenStore::read_header() {
  if (image_.size() < sizeof(header_)) damaged(name_, "too short for a token file");
  std::memcpy(&header_, image_.data(), sizeof(header_));
  if (!std::equal(header_.magic, header_.magic + sizeof(header_.magic), TokenFileHeader::kMagic)) {
    damaged(name_, "not a token file");
  }
  if (header_.version != TokenFileHeader::kVersion) {
    throw DataError(fmt::format("{}: token file of version {}, but this program reads version {}",
                                name_, header_.version, TokenFileHeader::kVersion));
  }
  if (!is_plausible(header_, image_.size())) {
    damaged(name_, "truncated or damaged: its length does not match its header");
  }
  if (header_hash() != header_.hash) damaged(name_, "its header does not match its checksum");
  if (hash_of(image_.subspan(header_.tokens_end())) != header_.table_hash) {
    damaged(name_, "its table of checksums is damaged");
  }
}

uint64_t TokenStore::header_hash() const {
  Hash hash;
  hash.add(image_.first(kHashedHeaderBytes));
  hash.add(image_.subspan(sizeof(header_), header_.tokens_offset() - sizeof(header_)));
  return hash.value();
}

void TokenStore::copy(int64_t begin, std::span<int32_t> out) const {
  verify(begin, begin + static_cast<int64_t>(out.size()));
  const std::byte* first = image_.data() + header_.tokens_offset() + begin * header_.token_bytes;
  visit_tokens(first, header_.token_bytes,
               [&](const auto* token) { std::copy_n(token, out.size(), out.data()); });
}

void TokenStore::verify(int64_t begin, int64_t end) const {
  if (!verified_ || begin == end) return;
  const auto block_of = [&](int64_t token) {
    return token * header_.token_bytes / header_.block_bytes;
  };
  for (uint64_t block = block_of(begin); block <= block_of(end - 1); ++block) {
    if (!verified_[block].load(std::memory_order_relaxed)) verify_block(block);
  }
}

void TokenStore::verify_block(uint64_t block) const {
  const auto bytes = block_bytes(block);
  uint64_t expected;
  std::memcpy(&expected, image_.data() + header_.table_offset() + block * sizeof(expected),
              sizeof(expected));
  if (hash_of(bytes) != expected) {
    damaged(name_, fmt::format("the block of tokens at byte {} does not match its checksum",
                               header_.tokens_offset() + block * header_.block_bytes));
  }
  visit_tokens(bytes.data(), header_.token_bytes, [&](const auto* first) {
    const auto largest = *std::max_element(first, first + bytes.size() / header_.token_bytes);
    if (largest >= header_.vocabulary_size) outside(name_, largest, tokenizer_->vocabulary_size());
  });
  verified_[block].store(true, std::memory_order_relaxed);
}

std::span<const std::byte> TokenStore::block_bytes(uint64_t block) const {
  const uint64_t begin = block * header_.block_bytes;
  const uint64_t end = std::min(begin + header_.block_bytes, header_.tokens * header_.token_bytes);
  return image_.subspan(header_.tokens_offset() + begin, end - begin);
}

}  // namespace ripieno::io
