#include "ripieno/io/files/memory_map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

[[noreturn]] void refuse(const std::string& path) {
  throw StorageError("cannot map " + path + ": " + std::strerror(errno));
}

// A table that a signal handler can read: no locks, no allocation.
struct Mapping {
  std::atomic<const std::byte*> begin = nullptr;  // null: entry is free; written last
  std::atomic<std::size_t> bytes = 0;
  char path[256] = {};
};
Mapping mappings[64];
std::mutex mappings_mutex;  // held while writing to `mappings`

void register_mapping(std::span<const std::byte> bytes, const std::string& path) {
  const std::lock_guard lock(mappings_mutex);
  for (Mapping& mapping : mappings) {
    if (mapping.begin) continue;
    const std::size_t length = path.copy(mapping.path, sizeof mapping.path - 1);
    mapping.path[length] = '\0';
    mapping.bytes = bytes.size();
    mapping.begin = bytes.data();
    return;
  }
}

void unregister_mapping(std::span<const std::byte> bytes) {
  const std::lock_guard lock(mappings_mutex);
  for (Mapping& mapping : mappings) {
    if (mapping.begin == bytes.data()) mapping.begin = nullptr;
  }
}

}  // namespace

const char* mapped_file_at(const void* address) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (const Mapping& mapping : mappings) {
    const auto begin = reinterpret_cast<std::uintptr_t>(mapping.begin.load());
    if (begin != 0 && at >= begin && at - begin < mapping.bytes) return mapping.path;
  }
  return nullptr;
}

MemoryMap::MemoryMap(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) refuse(path);
  struct stat status;
  void* memory = nullptr;
  bool mapped = ::fstat(file, &status) == 0;
  if (mapped && status.st_size > 0) {
    memory =
        ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, file, 0);
    mapped = memory != MAP_FAILED;
  }
  const int error = errno;
  ::close(file);
  errno = error;
  if (!mapped) refuse(path);
  bytes_ = {static_cast<const std::byte*>(memory), static_cast<std::size_t>(status.st_size)};
  if (!bytes_.empty()) register_mapping(bytes_, path);
}

MemoryMap::~MemoryMap() {
  if (bytes_.empty()) return;
  unregister_mapping(bytes_);
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace ripieno::io
