#include "ripieno/training/session/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "ripieno/core/error.h"

namespace ripieno {

// open() returns the lowest free descriptor, so the three are checked in order.
void open_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) != -1 || errno != EBADF) continue;
    const int opened = ::open("/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY);
    if (opened == stream) continue;
    throw ConfigurationError(std::string("cannot open /dev/null: ") + std::strerror(errno));
  }
}

void flush_standard_output() {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0 && !std::ferror(stdout);
  const std::string reason = errno != 0 ? std::strerror(errno) : "an earlier write failed";
  if (flushed) return;
  throw StorageError("output was lost: cannot write to standard output: " + reason);
}

}  // namespace ripieno
