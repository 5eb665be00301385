// DirectOutput: the end of a file being written, past the page cache where the file system allows
// it. For local_files(). Not installed.
//
// Direct writes spare a copy and the wait for writeback, but take only whole blocks from aligned
// memory; what does not fit goes through the page cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ripieno::io {

class DirectOutput {
 public:
  static constexpr std::size_t kAlignment = 4096;  // of memory and sizes: that of any disk

  // `file` must outlive it, and is written at its position, from a multiple of kAlignment on.
  DirectOutput(int file, std::string path) : file_(file), path_(std::move(path)) {}

  // From now on, where the file system can.
  void bypass_page_cache();
  // `needed_bytes` of the whole file, for the message where there is no room. Throws StorageError.
  void write(std::span<const std::byte> bytes, int64_t needed_bytes);

 private:
  void use_page_cache();

  int file_;
  std::string path_;
  bool is_direct_ = false;
};

}  // namespace ripieno::io
