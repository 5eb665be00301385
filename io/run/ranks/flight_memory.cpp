#include "ripieno/io/run/ranks/flight_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/ranks/paths.h"

namespace ripieno::io {
namespace {

// The mapped record of this process, for replace_lost_flight_memory().
std::atomic<std::byte*> mapped_begin = nullptr;
std::atomic<std::size_t> mapped_bytes = 0;

// Whether allocated space of a file can always be written, and other processes of the host see
// writes through a mapping at once. File systems that copy on write do not promise the first.
bool is_safe_to_map(int file) {
  struct statfs about;
  if (::fstatfs(file, &about) != 0) return false;
  switch (static_cast<unsigned long>(about.f_type)) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
      return true;
    default:
      return false;
  }
}

bool write_fully(int file, std::size_t offset, const void* from, std::size_t bytes) noexcept {
  const auto* next = static_cast<const std::byte*>(from);
  while (bytes > 0) {
    const ssize_t written = ::pwrite(file, next, bytes, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    next += written;
    offset += static_cast<std::size_t>(written);
    bytes -= static_cast<std::size_t>(written);
  }
  return true;
}

// Also writes the bytes, so that they need no further metadata. Sets errno if it fails.
bool allocate(int file, std::size_t bytes) {
  const int error = ::posix_fallocate(file, 0, static_cast<off_t>(bytes));
  if (error != 0) {
    errno = error;
    return false;
  }
  const std::vector<std::byte> zeros(bytes);
  return write_fully(file, 0, zeros.data(), bytes);
}

int create(const std::string& path) {
  return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

// Renames the files of earlier starts: the newest to age 1, and so on; the oldest are replaced.
void keep_earlier(FileSystem& files, const std::string& directory) {
  using Path = std::string (*)(const std::string&, int);
  for (const Path path : {Path(flight_path), Path(flight_copy_path), Path(stacks_path)}) {
    for (int age = kKeptFlightRecords; age > 0; --age) {
      const std::string from = path(directory, age - 1), to = path(directory, age);
      if (files.exists(from)) {
        files.rename(from, to);
      } else {
        files.remove_all(to);
      }
    }
  }
}

}  // namespace

FlightMemory::FlightMemory(const std::string& directory, const flight::Sizes& sizes)
    : sizes_(sizes) {
  try {
    auto& files = local_files();
    files.make_directories(directory);
    keep_earlier(files, directory);
    open_files(directory);
  } catch (const Error& error) {
    remark_ = error.what();
  }
  if (!begin_) use_memory_of_process();
}

FlightMemory::~FlightMemory() {
  if (is_mapped_) mapped_begin = nullptr;
  ::munmap(begin_, sizes_.bytes());
  close_copy();
}

void FlightMemory::open_files(const std::string& directory) {
  const std::string path = flight_path(directory), copy = flight_copy_path(directory);
  if (!map(path)) local_files().remove_all(path);
  copy_ = create(copy);
  if (copy_ < 0) remark_ = fmt::format("cannot create {}: {}", copy, std::strerror(errno));
}

// False without a remark if the file system is not safe to map.
bool FlightMemory::map(const std::string& path) {
  const int file = create(path);
  if (file < 0) {
    remark_ = fmt::format("cannot create {}: {}", path, std::strerror(errno));
    return false;
  }
  if (is_safe_to_map(file)) {
    void* memory = MAP_FAILED;
    if (allocate(file, sizes_.bytes()))
      memory = ::mmap(nullptr, sizes_.bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) {
      remark_ = fmt::format("cannot allocate {} bytes for {}: {}", sizes_.bytes(), path,
                            std::strerror(errno));
    } else {
      begin_ = static_cast<std::byte*>(memory);
      is_mapped_ = true;
      mapped_bytes = sizes_.bytes();
      mapped_begin = begin_;
    }
  }
  ::close(file);
  return is_mapped_;
}

void FlightMemory::use_memory_of_process() {
  void* memory =
      ::mmap(nullptr, sizes_.bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw OutOfMemory("flight record: no memory for its bytes");
  begin_ = static_cast<std::byte*>(memory);
}

bool FlightMemory::write_copy(std::size_t offset, const void* from,
                              std::size_t bytes) const noexcept {
  return copy_ >= 0 && write_fully(copy_, offset, from, bytes);
}

void FlightMemory::close_copy() noexcept {
  if (copy_ >= 0) ::close(copy_);
  copy_ = -1;
}

bool replace_lost_flight_memory(const void* address) noexcept {
  std::byte* const begin = mapped_begin.load();
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto first = reinterpret_cast<std::uintptr_t>(begin);
  if (!begin || at < first || at - first >= mapped_bytes) return false;
  // Not in the list of POSIX, but mmap is a plain system call here.
  return ::mmap(begin, mapped_bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

}  // namespace ripieno::io
