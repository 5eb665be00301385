#include "ripieno/io/formats/parquet/text_column.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/formats/parquet/thrift_reader.h"

namespace ripieno::io::parquet {
namespace {

using Type = ThriftReader::Type;

// Numbers of the format.
constexpr int64_t kDataPage = 0, kIndexPage = 1, kDictionaryPage = 2, kDataPage2 = 3;
constexpr int64_t kPlain = 0, kPlainDictionary = 2, kRuns = 3, kRunsDictionary = 8;

constexpr int64_t kMostHeader = 16 << 20;  // it may have the smallest and the largest string

// The text of a column may have this many times the bytes of the file, beyond kMostPlainPage.
constexpr int64_t kMostTextRatio = 200;

std::string name_of_encoding(int64_t encoding) {
  switch (encoding) {
    case 4:
      return "BIT_PACKED";
    case 5:
      return "DELTA_BINARY_PACKED";
    case 6:
      return "DELTA_LENGTH_BYTE_ARRAY";
    case 7:
      return "DELTA_BYTE_ARRAY";
    case 9:
      return "BYTE_STREAM_SPLIT";
    default:
      return std::to_string(encoding);
  }
}

uint32_t little_endian(std::string_view bytes) {
  if (bytes.size() < 4) throw DataError("has fewer values than it says");
  uint32_t value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

// Removes a string, whose length is before it, from the front of `bytes`.
std::string_view take_string(std::string_view& bytes) {
  const uint32_t length = little_endian(bytes);
  if (length > bytes.size() - 4) throw DataError("has fewer values than it says");
  const auto value = bytes.substr(4, length);
  bytes.remove_prefix(4 + std::size_t{length});
  return value;
}

}  // namespace

struct TextColumn::PageHeader {
  int64_t type = -1, bytes = -1, packed_bytes = -1;
  std::optional<int64_t> checksum = {};
  int64_t values = 0, encoding = -1;
  int64_t level_encoding = kRuns;                 // of kDataPage
  int64_t level_bytes = 0, repetition_bytes = 0;  // of kDataPage2
  bool is_packed = true;                          // of kDataPage2
  std::size_t header_bytes = 0;

  explicit PageHeader(std::string_view from) {
    ThriftReader in(from);
    in.fields([&](int64_t id, Type field) {
      switch (id) {
        case 1:
          type = in.integer(field);
          break;
        case 2:
          bytes = in.integer(field);
          break;
        case 3:
          packed_bytes = in.integer(field);
          break;
        case 4:
          checksum = in.integer(field);
          break;
        case 5:
        case 7:
          in.require(field, Type::structure);
          read_version_1(in);
          break;
        case 8:
          in.require(field, Type::structure);
          read_version_2(in);
          break;
        default:
          in.skip(field);
      }
    });
    header_bytes = in.position();
  }

  // Of a data page, or of a dictionary page, whose first two fields are the same.
  void read_version_1(ThriftReader& in) {
    in.fields([&](int64_t id, Type field) {
      if (id == 1)
        values = in.integer(field);
      else if (id == 2)
        encoding = in.integer(field);
      else if (id == 3 && field == Type::int32)
        level_encoding = in.integer(field);
      else
        in.skip(field);
    });
  }

  void read_version_2(ThriftReader& in) {
    in.fields([&](int64_t id, Type field) {
      switch (id) {
        case 1:
          values = in.integer(field);
          break;
        case 4:
          encoding = in.integer(field);
          break;
        case 5:
          level_bytes = in.integer(field);
          break;
        case 6:
          repetition_bytes = in.integer(field);
          break;
        case 7:
          is_packed = in.boolean(field);
          break;
        default:
          in.skip(field);
      }
    });
  }
};

TextColumn::TextColumn(std::shared_ptr<const ReadableFile> file, std::string path, std::string name)
    : file_(std::move(file)), path_(std::move(path)), name_(std::move(name)) {
  try {
    column_ = read_column(*file_, name_);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", path_, error.what()));
  }
  for (const ColumnChunk& chunk : column_.chunks) {
    rows_ += chunk.rows;
    bytes_ += std::min(chunk.bytes, INT64_MAX - bytes_);
  }
}

bool TextColumn::next(std::optional<std::string_view>& value) {
  while (rows_in_page_ == 0) {
    if (!open_page()) return false;
  }
  if (failure_.empty()) {
    try {
      value = read_value();
      count(value ? std::ssize(*value) : 0);
    } catch (const DataError& error) {
      failure_ = error.what();
    }
  }
  if (!failure_.empty()) {
    throw DataError(fmt::format("{}: column \"{}\", row {}: {}", path_, name_, row_, failure_));
  }
  --rows_in_page_;
  ++row_;
  return true;
}

void TextColumn::skip(int64_t rows) {
  while (rows > 0) {
    if (rows_in_page_ == 0 && !open_page()) return;
    if (!failure_.empty()) {
      const int64_t skipped = std::min(rows, rows_in_page_);
      rows -= skipped;
      rows_in_page_ -= skipped;
      row_ += skipped;
      continue;
    }
    if (rows_in_page_ == 0) continue;
    try {
      read_value();
      --rows;
      --rows_in_page_;
      ++row_;
    } catch (const DataError& error) {
      failure_ = error.what();
    }
  }
}

void TextColumn::count(int64_t text_bytes) {
  text_bytes_ += text_bytes + 1;
  if (text_bytes_ > kMostPlainPage && text_bytes_ / kMostTextRatio > position_) {
    throw DataError(fmt::format(
        "its text has more than {} times the bytes of the file, which no text does; it is refused",
        kMostTextRatio));
  }
}

// Reads the next page, which may have no rows, as a dictionary. Returns false at the end. If it
// fails, the page has the rows that are lost.
bool TextColumn::open_page() {
  failure_.clear();
  while (rows_in_chunk_ == 0) {
    position_ += end_ - at_;
    at_ = end_;
    if (chunk_ == column_.chunks.size()) return false;
    const ColumnChunk& chunk = column_.chunks[chunk_++];
    at_ = chunk.begin;
    end_ = chunk.begin + chunk.bytes;
    rows_in_chunk_ = chunk.rows;
    codec_ = chunk.codec;
    dictionary_.clear();
  }
  try {
    read_page();
  } catch (const DataError& error) {
    failure_ = error.what();
    if (rows_in_page_ > 0) return true;  // the lost rows are those of the page
    // Where the next page begins is unknown.
    position_ += end_ - at_;
    at_ = end_;
    rows_in_page_ = std::exchange(rows_in_chunk_, 0);
  }
  return true;
}

void TextColumn::read_page() {
  if (at_ == end_) throw DataError("its pages have fewer rows than the footer says");
  const PageHeader header = read_header();
  at_ += static_cast<int64_t>(header.header_bytes) + header.packed_bytes;
  position_ += static_cast<int64_t>(header.header_bytes) + header.packed_bytes;
  if (header.type == kIndexPage) return;
  if (header.type == kDictionaryPage) {
    read_body(header);
    return read_dictionary(header);
  }
  if (header.type != kDataPage && header.type != kDataPage2)
    throw DataError(fmt::format("has a page of the unknown type {}", header.type));
  if (header.values < 0 || header.values > rows_in_chunk_) {
    throw DataError(fmt::format("has a page of {} values, but only {} rows are left", header.values,
                                rows_in_chunk_));
  }
  rows_in_page_ = header.values;
  rows_in_chunk_ -= header.values;
  read_body(header);
  start_values(header);
}

// The header of the page at at_. Its size is not known before it is read.
TextColumn::PageHeader TextColumn::read_header() {
  std::string bytes;
  for (int64_t size = std::min<int64_t>(1 << 10, end_ - at_);;
       size = std::min(8 * size, end_ - at_)) {
    bytes.resize(static_cast<std::size_t>(size));
    file_->read(at_, std::as_writable_bytes(std::span(bytes)));
    try {
      PageHeader header(bytes);
      const int64_t left = end_ - at_ - static_cast<int64_t>(header.header_bytes);
      if (header.bytes < 0 || header.packed_bytes < 0 || header.packed_bytes > left) {
        throw DataError(fmt::format("has a page of {} bytes, but its column only {} more",
                                    header.packed_bytes, left));
      }
      return header;
    } catch (const EndOfBytes&) {
      if (size == end_ - at_ || size > kMostHeader) throw;
    }
  }
}

// Reads the page before at_ into page_, and the levels before it, if it has some there.
void TextColumn::read_body(const PageHeader& header) {
  if (header.packed_bytes > kMostPage)
    throw DataError(fmt::format("has a page of {} bytes; at most {} MiB are read",
                                header.packed_bytes, kMostPage >> 20));
  packed_.resize(static_cast<std::size_t>(header.packed_bytes));
  file_->read(at_ - header.packed_bytes, std::as_writable_bytes(std::span(packed_)));
  if (header.checksum) {
    const auto found = static_cast<uint32_t>(
        ::crc32_z(0, reinterpret_cast<const Bytef*>(packed_.data()), packed_.size()));
    if (found != static_cast<uint32_t>(*header.checksum))
      throw DataError("the checksum of a page is wrong: it is damaged");
  }
  const int64_t levels = header.type == kDataPage2 ? header.level_bytes : 0;
  if (header.repetition_bytes != 0 || levels < 0 ||
      levels > std::min(header.packed_bytes, header.bytes))
    throw DataError("has levels of a nested column, or outside the page");
  levels_bytes_ = packed_.substr(0, static_cast<std::size_t>(levels));
  const bool is_packed = header.type != kDataPage2 || header.is_packed;
  unpack_page(is_packed ? codec_ : Codec::uncompressed,
              std::string_view(packed_).substr(static_cast<std::size_t>(levels)),
              header.bytes - levels, page_);
}

void TextColumn::read_dictionary(const PageHeader& header) {
  if (header.encoding != kPlain && header.encoding != kPlainDictionary)
    throw DataError("its dictionary has the encoding " + name_of_encoding(header.encoding));
  if (header.values < 0 || header.values > std::ssize(page_) / 4)
    throw DataError(fmt::format("its dictionary of {} bytes cannot have {} values", page_.size(),
                                header.values));
  dictionary_page_ = page_;
  dictionary_.clear();
  std::string_view rest = dictionary_page_;
  for (int64_t i = 0; i < header.values; ++i) dictionary_.push_back(take_string(rest));
}

void TextColumn::start_values(const PageHeader& header) {
  values_ = page_;
  if (column_.is_optional && header.type == kDataPage) {
    if (header.level_encoding != kRuns)
      throw DataError("its levels have the encoding " + name_of_encoding(header.level_encoding));
    levels_ = RunReader(take_string(values_), 1);
  } else {
    levels_ = RunReader(levels_bytes_, 1);
  }
  has_indices_ = header.encoding == kPlainDictionary || header.encoding == kRunsDictionary;
  if (!has_indices_ && header.encoding != kPlain) {
    throw DataError(fmt::format(
        "its values have the encoding {}; must be PLAIN or RLE_DICTIONARY; write the file anew",
        name_of_encoding(header.encoding)));
  }
  if (!has_indices_) return;
  // Where all values are null, there may be no bytes.
  const int bits = values_.empty() ? 0 : static_cast<uint8_t>(values_.front());
  if (bits > 32) throw DataError(fmt::format("has indices of {} bits; at most 32", bits));
  indices_ = RunReader(values_.substr(values_.empty() ? 0 : 1), bits);
}

std::optional<std::string_view> TextColumn::read_value() {
  if (column_.is_optional) {
    const uint32_t level = levels_.next();
    if (level == 0) return std::nullopt;
  }
  if (!has_indices_) return take_string(values_);
  const uint32_t index = indices_.next();
  if (index < dictionary_.size()) return dictionary_[index];
  throw DataError(
      fmt::format("value {} of its dictionary is used, which has {}", index, dictionary_.size()));
}

}  // namespace ripieno::io::parquet
