// TextStream: the bytes of a file from its beginning to its end, unpacked if it is compressed by
// gzip or Zstandard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ripieno::io {

// Whether a file with this beginning is compressed by gzip or Zstandard.
bool is_compressed(std::string_view beginning);

// Turns parts of a compressed file into parts of its content.
class Unpacker;

// A compressed file is refused if it unpacks to more than kMostUnpacked bytes and to more than
// kMostRatio times its own size: no text does.
inline constexpr int64_t kMostUnpacked = 64 << 20;
inline constexpr int64_t kMostRatio = 200;

// Used by one thread at a time.
class TextStream {
 public:
  // Throws StorageError if the file cannot be opened.
  explicit TextStream(std::string path);
  ~TextStream();

  // Fills `into` from its beginning; returns the number of bytes, which is smaller than its size at
  // the end of the stream only. Throws DataError if the compressed file is damaged, truncated or
  // unpacks to too much; StorageError.
  std::size_t read(std::span<char> into);

  const std::string& path() const { return path_; }
  // Bytes of the file, and how many of them were read.
  int64_t file_bytes() const;
  int64_t position() const { return position_; }

 private:
  std::size_t read_file(std::span<char> into);
  std::size_t unpack(std::span<char> into);

  class File;
  std::string path_;
  std::unique_ptr<File> file_;
  std::unique_ptr<Unpacker> unpacker_;  // null if the file is not compressed
  int64_t position_ = 0;
  int64_t unpacked_ = 0;
  std::string packed_;       // a part of the compressed file
  std::string_view unread_;  // the rest of it
};

}  // namespace ripieno::io
