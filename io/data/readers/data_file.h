// DataFile: a file of a data set, read at any offset by any thread.
//
// At most kMostOpenFiles of the process are open at once: the file that was not used for longest is
// closed, and opened again when it is needed. So a data set may have any number of files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ripieno::io {

inline constexpr std::size_t kMostOpenFiles = 256;

class DataFile {
 public:
  // Throws StorageError if the file cannot be opened.
  explicit DataFile(std::string path);
  ~DataFile();
  DataFile(const DataFile&) = delete;
  DataFile& operator=(const DataFile&) = delete;

  const std::string& path() const { return path_; }
  // In bytes, when the file was opened first.
  int64_t size() const { return size_; }
  // Fills `into` from byte `offset`. Throws DataError if the file is shorter now, or has another
  // size than when it was opened first; StorageError if it cannot be read.
  void read(int64_t offset, std::span<std::byte> into) const;

  // A hash of the size of the file, its ends and 64 blocks of 4 KiB evenly between them: identifies
  // a file of any size without reading it. Does not notice every change.
  uint64_t sampled_hash() const;

 private:
  std::string path_;
  int64_t size_ = 0;
};

}  // namespace ripieno::io
