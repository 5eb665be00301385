#include "ripieno/io/data/readers/megatron.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::io {
namespace {

constexpr std::string_view kMagic("MMIDIDX\0\0", 9);
constexpr int64_t kHeaderBytes = 34;
constexpr int64_t kPart = 1 << 16;  // entries of a table that are read at once

[[noreturn]] void damaged(const std::string& path, const std::string& what) {
  throw DataError(fmt::format("{}: {}; prepare the data set again", path, what));
}

// A table of the index, read in parts from its beginning.
template <typename Entry>
class Table {
 public:
  Table(const DataFile& file, int64_t offset, int64_t entries)
      : file_(file), offset_(offset), left_(entries) {}

  // The next entry. There must be one.
  Entry next() {
    if (at_ == part_.size()) {
      part_.resize(static_cast<std::size_t>(std::min(kPart, left_)));
      file_.read(offset_, std::as_writable_bytes(std::span(part_)));
      offset_ += static_cast<int64_t>(part_.size() * sizeof(Entry));
      left_ -= static_cast<int64_t>(part_.size());
      at_ = 0;
    }
    return part_[at_++];
  }

 private:
  const DataFile& file_;
  int64_t offset_;
  int64_t left_;
  std::vector<Entry> part_;
  std::size_t at_ = 0;
};

// The header of STEM.idx, and where its tables are.
class Index {
 public:
  explicit Index(const std::string& path) : file_(path) {
    if (file_.size() < kHeaderBytes) damaged(path, "too short for a Megatron index");
    std::array<char, kHeaderBytes> header;
    file_.read(0, std::as_writable_bytes(std::span(header)));
    if (!is_megatron_index({header.data(), header.size()}))
      damaged(path, "does not begin like a Megatron index (MMIDIDX)");
    const auto number = [&](std::size_t at) {
      uint64_t value;
      std::memcpy(&value, header.data() + at, sizeof(value));
      return value;
    };
    if (number(9) != 1) {
      throw DataError(fmt::format("{}: Megatron index of version {}; must be 1", path, number(9)));
    }
    element_ = element_of(static_cast<uint8_t>(header[17]));
    sequences_ = entries(number(18), "sequences");
    documents_ = entries(number(26), "documents");
    check_size();
  }

  const DataFile& file() const { return file_; }
  TokenElement element() const { return element_; }
  int64_t sequences() const { return sequences_; }
  int64_t documents() const { return documents_ - 1; }

  Table<int32_t> lengths() const { return {file_, kHeaderBytes, sequences_}; }
  Table<int64_t> offsets() const { return {file_, kHeaderBytes + 4 * sequences_, sequences_}; }
  // Of each document, the index of its first sequence; then the number of sequences.
  Table<int64_t> document_starts() const {
    return {file_, kHeaderBytes + 12 * sequences_, documents_};
  }

 private:
  TokenElement element_of(uint8_t code) const {
    switch (code) {
      case 1:
        return TokenElement::uint8;
      case 2:
        return TokenElement::int8;
      case 3:
        return TokenElement::int16;
      case 4:
        return TokenElement::int32;
      case 5:
        return TokenElement::int64;
      case 6:
      case 7:
        damaged(file_.path(), "its tokens are floating-point numbers");
      case 8:
        return TokenElement::uint16;
      default:
        damaged(file_.path(), fmt::format("its tokens have the unknown type {}", code));
    }
  }

  // A number of entries that the file can have, so that offsets do not overflow.
  int64_t entries(uint64_t count, const char* what) const {
    if (count <= static_cast<uint64_t>(file_.size())) return static_cast<int64_t>(count);
    damaged(file_.path(), fmt::format("its header gives {} {}, more than its {} bytes can hold",
                                      count, what, file_.size()));
  }

  void check_size() const {
    if (documents_ < 1) damaged(file_.path(), "its table of documents is empty");
    const int64_t bytes = kHeaderBytes + 12 * sequences_ + 8 * documents_;
    // Indices of multimodal data have one more byte per sequence.
    if (file_.size() == bytes || file_.size() == bytes + sequences_) return;
    damaged(file_.path(),
            fmt::format("its header gives {} sequences and {} entries of documents, so {} bytes, "
                        "but it has {}: it is truncated or damaged",
                        sequences_, documents_, bytes, file_.size()));
  }

  DataFile file_;
  TokenElement element_{};
  int64_t sequences_ = 0;
  int64_t documents_ = 0;  // entries of the table: documents + 1
};

// Checks that the sequences follow each other and cover the `bytes` bytes of STEM.bin exactly.
void check_sequences(const Index& index, const DataFile& tokens) {
  const int64_t width = bytes_of(index.element());
  auto lengths = index.lengths();
  auto offsets = index.offsets();
  int64_t end = 0;
  for (int64_t i = 0; i < index.sequences() && end <= tokens.size(); ++i) {
    const int64_t length = lengths.next(), offset = offsets.next();
    if (length < 0) {
      damaged(index.file().path(), fmt::format("sequence {} has a length of {}", i, length));
    }
    if (offset != end) {
      damaged(index.file().path(),
              fmt::format("sequence {} begins at byte {}, but the one before it ends at byte {}", i,
                          offset, end));
    }
    end += length * width;
  }
  if (end != tokens.size()) {
    throw DataError(fmt::format(
        "{}: {} bytes, but {} describes {} bytes: one of them is truncated, or they are not of the "
        "same data set",
        tokens.path(), tokens.size(), index.file().path(), end));
  }
}

void check_documents(const Index& index) {
  auto starts = index.document_starts();
  int64_t before = 0;
  for (int64_t i = 0; i <= index.documents(); ++i) {
    const int64_t start = starts.next();
    if (start < before || (i == 0 && start != 0)) {
      damaged(index.file().path(),
              fmt::format("document {} begins at sequence {}, but must begin {} {}", i, start,
                          i == 0 ? "at" : "at or after", before));
    }
    before = start;
  }
  if (before != index.sequences()) {
    damaged(index.file().path(), fmt::format("its documents end at sequence {}, but it has {}",
                                             before, index.sequences()));
  }
}

}  // namespace

bool is_megatron_index(std::string_view beginning) { return beginning.starts_with(kMagic); }

std::string megatron_stem(const std::string& path) {
  if (path.ends_with(".bin") || path.ends_with(".idx")) return path.substr(0, path.size() - 4);
  return path;
}

std::unique_ptr<TokenStore> open_megatron(const std::string& path,
                                          const GivenTokenizer& tokenizer) {
  if (!tokenizer) {
    throw ConfigurationError(path +
                             ": Megatron's files do not say which vocabulary they have; set "
                             "data.vocabulary_size or data.tokenizer");
  }
  const std::string stem = megatron_stem(path);
  const Index index(stem + ".idx");
  auto tokens = std::make_unique<DataFile>(stem + ".bin");
  check_sequences(index, *tokens);
  check_documents(index);
  const std::array hashes = {index.file().sampled_hash(), tokens->sampled_hash()};
  const TokenRange range{index.element(), 0, tokens->size() / bytes_of(index.element())};
  return std::make_unique<ForeignTokens>(std::move(tokens), range, *tokenizer, "Megatron tokens",
                                         hash_of(std::as_bytes(std::span(hashes))));
}

void visit_megatron_documents(const std::string& path,
                              const std::function<void(int64_t tokens)>& visit) {
  const Index index(megatron_stem(path) + ".idx");
  check_documents(index);
  auto lengths = index.lengths();
  auto starts = index.document_starts();
  int64_t begin = starts.next();
  for (int64_t i = 0; i < index.documents(); ++i) {
    const int64_t end = starts.next();
    int64_t tokens = 0;
    for (; begin < end; ++begin) tokens += lengths.next();
    visit(tokens);
  }
}

}  // namespace ripieno::io
