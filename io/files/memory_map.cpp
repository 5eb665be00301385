#include "ripieno/io/files/memory_map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

[[noreturn]] void refuse(const std::string& path) {
  throw StorageError("cannot map " + path + ": " + std::strerror(errno));
}

}  // namespace

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
}

MemoryMap::~MemoryMap() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace ripieno::io
