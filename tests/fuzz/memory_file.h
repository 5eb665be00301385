// MemoryFile: a file without a disk, for parsers that take a path.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace ripieno::fuzz {

class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : number_(::memfd_create("parsed", MFD_CLOEXEC)) {
    while (!bytes.empty()) {
      const auto written = ::write(number_, bytes.data(), bytes.size());
      if (written <= 0) throw std::runtime_error("cannot write a file in memory");
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  ~MemoryFile() { ::close(number_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(number_); }

 private:
  int number_;
};

}  // namespace ripieno::fuzz
