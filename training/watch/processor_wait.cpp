#include "ripieno/training/watch/processor_wait.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace ripieno::watch {

ProcessorWait::ProcessorWait()
    : file_(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}

ProcessorWait::~ProcessorWait() {
  if (file_ >= 0) ::close(file_);
}

// "NANOSECONDS_RUN NANOSECONDS_WAITED TIMES_RUN"
std::optional<double> ProcessorWait::seconds() const {
  char text[96];
  const ssize_t bytes = file_ < 0 ? 0 : ::pread(file_, text, sizeof text, 0);
  if (bytes <= 0) return std::nullopt;
  const char* const end = text + bytes;
  const char* const blank = std::find(static_cast<const char*>(text), end, ' ');
  int64_t nanoseconds = 0;
  if (blank == end || std::from_chars(blank + 1, end, nanoseconds).ec != std::errc())
    return std::nullopt;
  return static_cast<double>(nanoseconds) / 1e9;
}

}  // namespace ripieno::watch
