// MemoryMap: a file's bytes as constant memory that the system reads when they are first touched.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ripieno::io {

// The file must not be cut shorter while it is mapped: touching what is gone raises SIGBUS.
class MemoryMap {
 public:
  // Throws StorageError.
  explicit MemoryMap(const std::string& path);
  ~MemoryMap();
  MemoryMap(const MemoryMap&) = delete;
  MemoryMap& operator=(const MemoryMap&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

// The path of the mapped file that `address` lies in; null where it is in none. A signal handler
// may call it. Knows the first 64 files that are mapped at a time, and 255 bytes of each path.
const char* mapped_file_at(const void* address) noexcept;

}  // namespace ripieno::io
