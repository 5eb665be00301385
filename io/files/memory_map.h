// MemoryMap: a file mapped read-only into memory; the system reads pages when they are first used.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ripieno::io {

// The file must not be truncated while it is mapped: accessing a page past its end raises SIGBUS.
class MemoryMap {
 public:
  // Throws StorageError if the file cannot be opened or mapped.
  explicit MemoryMap(const std::string& path);
  ~MemoryMap();
  MemoryMap(const MemoryMap&) = delete;
  MemoryMap& operator=(const MemoryMap&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

// The path of the mapped file that contains `address`, or null. Async-signal-safe. Covers up to 64
// simultaneous mappings and the first 255 bytes of each path.
const char* mapped_file_at(const void* address) noexcept;

}  // namespace ripieno::io
