#include "ripieno/io/data/readers/token_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "ripieno/core/error.h"
#include "ripieno/io/data/batch.h"
#include "ripieno/io/data/readers/marked_text.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::io {
namespace {

constexpr std::size_t kHashedHeaderBytes = offsetof(TokenFileHeader, hash);
constexpr int64_t kWidestInTwoBytes = 1 << 16;
constexpr uint64_t kPart = 1 << 20;  // bytes that are read at once

[[noreturn]] void damaged(const std::string& name, const std::string& what) {
  throw DataError(fmt::format("{}: {}; write the token file again", name, what));
}

template <typename Token>
constexpr Token kMark = static_cast<Token>(Token{1} << (8 * sizeof(Token) - 1));

template <typename Token>
void append(std::span<const int32_t> tokens, std::vector<std::byte>& bytes) {
  const std::size_t before = bytes.size();
  bytes.resize(before + tokens.size() * sizeof(Token));
  std::byte* out = bytes.data() + before;
  for (const int32_t token : tokens) {
    const auto narrow =
        static_cast<Token>(is_counted(token) ? static_cast<Token>(token)
                                             : static_cast<Token>(token_of(token)) | kMark<Token>);
    std::memcpy(out, &narrow, sizeof(narrow));
    out += sizeof(narrow);
  }
}

// `mask`: the bits of a token.
template <typename Token>
void unpack(std::span<const std::byte> bytes, Token mask, std::span<int32_t> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Token token;
    std::memcpy(&token, bytes.data() + i * sizeof(token), sizeof(token));
    out[i] = static_cast<int32_t>(token & mask);
  }
}

template <typename Token>
void unpack_marked(std::span<const std::byte> bytes, std::span<int32_t> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Token token;
    std::memcpy(&token, bytes.data() + i * sizeof(token), sizeof(token));
    out[i] = (token & kMark<Token>) != 0 ? kIgnoredTarget : static_cast<int32_t>(token);
  }
}

template <typename Token>
Token mask_of(bool has_marks) {
  return has_marks ? static_cast<Token>(~kMark<Token>) : static_cast<Token>(~Token{0});
}

template <typename Token>
uint64_t largest(std::span<const std::byte> bytes, bool has_marks) {
  Token most = 0;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(Token)) {
    Token token;
    std::memcpy(&token, bytes.data() + at, sizeof(token));
    most = std::max(most, static_cast<Token>(token & mask_of<Token>(has_marks)));
  }
  return most;
}

// Rejects sizes larger than the file first, so that computing offsets from them cannot overflow.
bool is_plausible(const TokenFileHeader& header, uint64_t file_bytes) {
  return (header.token_bytes == 2 || header.token_bytes == 4) && header.tokens <= file_bytes &&
         header.description_bytes <= file_bytes && header.block_bytes >= header.token_bytes &&
         header.block_bytes % header.token_bytes == 0 && header.block_bytes <= uint64_t{1} << 32 &&
         header.file_bytes() == file_bytes;
}

// Calls visit(part) with the bytes begin .. end - 1 of a file, in parts.
template <typename Visit>
void read_parts(const DataFile& file, uint64_t begin, uint64_t end, Visit visit) {
  std::vector<std::byte> part;
  for (uint64_t at = begin; at < end; at += part.size()) {
    part.resize(std::min(kPart, end - at));
    file.read(static_cast<int64_t>(at), part);
    visit(std::span<const std::byte>(part));
  }
}

uint64_t hash_of_range(const DataFile& file, uint64_t begin, uint64_t end) {
  Hash hash;
  read_parts(file, begin, end, [&](auto part) { hash.add(part); });
  return hash.value();
}

uint64_t hash_of(const TokenFileHeader& header, std::string_view padded_description) {
  Hash hash;
  hash.add(std::as_bytes(std::span(&header, 1)).first(kHashedHeaderBytes));
  hash.add(std::as_bytes(std::span(padded_description)));
  return hash.value();
}

TokenFileHeader read_header(const DataFile& file) {
  const std::string& name = file.path();
  TokenFileHeader header;
  if (file.size() < static_cast<int64_t>(sizeof(header)))
    damaged(name, "too short for a token file");
  file.read(0, std::as_writable_bytes(std::span(&header, 1)));
  if (!std::equal(header.magic, header.magic + sizeof(header.magic), TokenFileHeader::kMagic)) {
    damaged(name, "not a token file");
  }
  if (header.version != TokenFileHeader::kVersion &&
      header.version != TokenFileHeader::kMarkedVersion) {
    throw DataError(fmt::format(
        "{}: token file of version {}, but this program reads versions {} and {}; write it again "
        "with this program",
        name, header.version, TokenFileHeader::kVersion, TokenFileHeader::kMarkedVersion));
  }
  if (!is_plausible(header, static_cast<uint64_t>(file.size()))) {
    damaged(name, "truncated or damaged: its length does not match its header");
  }
  return header;
}

// The description of the tokenizer, with its padding.
std::string read_description(const DataFile& file, const TokenFileHeader& header) {
  std::string description(header.tokens_offset() - sizeof(header), '\0');
  file.read(sizeof(header), std::as_writable_bytes(std::span(description)));
  if (hash_of(header, description) != header.hash)
    damaged(file.path(), "its header does not match its checksum");
  return description;
}

// The files of a data set have the same description, which may be large: the last tokenizer is
// kept.
Tokenizer described(const std::string& description) {
  static std::mutex mutex;
  static std::optional<std::pair<std::string, Tokenizer>> last;
  const std::lock_guard lock(mutex);
  if (!last || last->first != description) {
    last.emplace(description,
                 Tokenizer::described(nlohmann::json::parse(description, nullptr, false)));
  }
  return last->second;
}

Tokenizer tokenizer_of(const DataFile& file, const TokenFileHeader& header) {
  const Tokenizer tokenizer =
      described(read_description(file, header).substr(0, header.description_bytes));
  if (tokenizer.vocabulary_size() != static_cast<int64_t>(header.vocabulary_size)) {
    damaged(file.path(),
            fmt::format("its header gives a vocabulary of {} tokens, its tokenizer has {}",
                        header.vocabulary_size, tokenizer.vocabulary_size()));
  }
  return tokenizer;
}

}  // namespace

uint32_t token_bytes_for(int64_t vocabulary_size, bool has_marks) {
  return vocabulary_size <= (has_marks ? kWidestInTwoBytes / 2 : kWidestInTwoBytes) ? 2 : 4;
}

void append_tokens(std::span<const int32_t> marked, uint32_t token_bytes,
                   std::vector<std::byte>& bytes) {
  token_bytes == 2 ? append<uint16_t>(marked, bytes) : append<uint32_t>(marked, bytes);
}

void unpack_tokens(std::span<const std::byte> bytes, TokenForm form, std::span<int32_t> out) {
  form.bytes == 2 ? unpack(bytes, mask_of<uint16_t>(form.has_marks), out)
                  : unpack(bytes, mask_of<uint32_t>(form.has_marks), out);
}

void unpack_targets(std::span<const std::byte> bytes, TokenForm form, std::span<int32_t> out) {
  if (!form.has_marks) return unpack_tokens(bytes, form, out);
  form.bytes == 2 ? unpack_marked<uint16_t>(bytes, out) : unpack_marked<uint32_t>(bytes, out);
}

TokenFileFrame::TokenFileFrame(const Tokenizer& tokenizer, bool has_marks)
    : description_(tokenizer.description().dump()) {
  std::copy_n(TokenFileHeader::kMagic, sizeof(header_.magic), header_.magic);
  header_.version = has_marks ? TokenFileHeader::kMarkedVersion : TokenFileHeader::kVersion;
  header_.token_bytes = token_bytes_for(tokenizer.vocabulary_size(), has_marks);
  header_.vocabulary_size = static_cast<uint64_t>(tokenizer.vocabulary_size());
  header_.description_bytes = description_.size();
  header_.block_bytes = TokenFileHeader::kBlockBytes;
  description_.resize(header_.tokens_offset() - sizeof(header_));
}

void TokenFileFrame::add(std::span<const std::byte> bytes) {
  header_.tokens += bytes.size() / header_.token_bytes;
  while (!bytes.empty()) {
    const auto count = std::min(bytes.size(), header_.block_bytes - block_.size());
    block_.insert(block_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    bytes = bytes.subspan(count);
    if (block_.size() == header_.block_bytes) end_block();
  }
}

void TokenFileFrame::end_block() {
  block_hashes_.push_back(io::hash_of(block_));
  block_.clear();
}

const TokenFileHeader& TokenFileFrame::seal() {
  if (!block_.empty()) end_block();
  header_.table_hash = io::hash_of(table());
  header_.hash = hash_of(header_, description_);
  return header_;
}

std::vector<std::byte> TokenFileFrame::table() const {
  std::vector<std::byte> bytes(header_.table_offset() - header_.tokens_end());
  const auto hashes = std::as_bytes(std::span(block_hashes_));
  bytes.insert(bytes.end(), hashes.begin(), hashes.end());
  return bytes;
}

void TokenFileFrame::write_head(WritableFile& file) const {
  file.reserve(static_cast<int64_t>(header_.file_bytes()));
  file.append(std::as_bytes(std::span(&header_, 1)));
  file.append(std::as_bytes(std::span(description_)));
}

void TokenFileFrame::write_table(WritableFile& file) const { file.append(table()); }

std::unique_ptr<TokenFile> TokenFile::open(const std::string& path) {
  auto file = std::make_unique<DataFile>(path);
  const TokenFileHeader header = read_header(*file);
  Tokenizer tokenizer = tokenizer_of(*file, header);
  if (hash_of_range(*file, header.tokens_end(), header.file_bytes()) != header.table_hash)
    damaged(path, "its table of checksums is damaged");
  return std::unique_ptr<TokenFile>(new TokenFile(std::move(file), header, std::move(tokenizer)));
}

TokenFile::TokenFile(std::unique_ptr<DataFile> file, const TokenFileHeader& header,
                     Tokenizer tokenizer)
    : TokenStore(file->path(), std::move(tokenizer)),
      file_(std::move(file)),
      header_(header),
      verified_(std::make_unique<std::atomic<bool>[]>(header.blocks())) {}

// The verified bytes of tokens, valid until the next call in this thread.
std::span<const std::byte> TokenFile::read(int64_t begin, std::size_t tokens) const {
  if (tokens == 0) return {};
  const uint64_t first = static_cast<uint64_t>(begin) * header_.token_bytes;
  const uint64_t bytes = tokens * header_.token_bytes;
  for (uint64_t block = first / header_.block_bytes;
       block <= (first + bytes - 1) / header_.block_bytes; ++block) {
    if (!verified_[block].load(std::memory_order_relaxed)) verify_block(block);
  }
  thread_local std::vector<std::byte> read;  // so that reading a window allocates nothing
  read.resize(bytes);
  file_->read(static_cast<int64_t>(header_.tokens_offset() + first), read);
  return read;
}

void TokenFile::copy(int64_t begin, std::span<int32_t> out) const {
  unpack_tokens(read(begin, out.size()), form(), out);
}

void TokenFile::copy_targets(int64_t begin, std::span<int32_t> out) const {
  unpack_targets(read(begin, out.size()), form(), out);
}

void TokenFile::verify() const {
  for (uint64_t block = 0; block < header_.blocks(); ++block) verify_block(block);
}

void TokenFile::verify_block(uint64_t block) const {
  const uint64_t begin = header_.tokens_offset() + block * header_.block_bytes;
  const uint64_t end = std::min(begin + header_.block_bytes, header_.tokens_end());
  uint64_t expected;
  file_->read(static_cast<int64_t>(header_.table_offset() + block * sizeof(expected)),
              std::as_writable_bytes(std::span(&expected, 1)));
  Hash hash;
  uint64_t most = 0;
  read_parts(*file_, begin, end, [&](auto part) {
    hash.add(part);
    most = std::max(most, header_.token_bytes == 2 ? largest<uint16_t>(part, has_marks())
                                                   : largest<uint32_t>(part, has_marks()));
  });
  if (hash.value() != expected) {
    damaged(name(),
            fmt::format("the block of tokens at byte {} does not match its checksum", begin));
  }
  if (most >= header_.vocabulary_size) refuse(static_cast<int64_t>(most));
  verified_[block].store(true, std::memory_order_relaxed);
}

}  // namespace ripieno::io
