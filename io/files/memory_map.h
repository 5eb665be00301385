// MemoryMap: a file's bytes as constant memory that the system reads when they are first touched.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ripieno::io {

// The file must not be cut shorter while it is mapped: touching what is gone ends the process.
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

}  // namespace ripieno::io
