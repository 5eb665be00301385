// DirectOutput: appends to a file with direct I/O (O_DIRECT) if the file system supports it. Used
// by local_files(). Not installed.
//
// Direct writes avoid a copy and the wait for writeback, but accept only whole blocks from aligned
// memory; the remainder goes through the page cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ripieno::io {

class DirectOutput {
 public:
  // Alignment of memory and sizes, in bytes: a multiple of the block size of any disk.
  static constexpr std::size_t kAlignment = 4096;

  // `file`: open descriptor that must outlive this object. Writes start at its current position,
  // which must be a multiple of kAlignment.
  DirectOutput(int file, std::string path) : file_(file), path_(std::move(path)) {}

  // Uses direct I/O for all later writes if the file system supports it.
  void bypass_page_cache();
  // `needed_bytes`: size of the whole file, for the message if the disk is full. Throws
  // StorageError.
  void write(std::span<const std::byte> bytes, int64_t needed_bytes);

 private:
  void use_page_cache();

  int file_;
  std::string path_;
  bool is_direct_ = false;
};

}  // namespace ripieno::io
