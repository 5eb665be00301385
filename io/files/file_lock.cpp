#include "ripieno/io/files/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ripieno::io {

FileLock try_lock(int file) {
  while (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return FileLock::busy;
    if (errno != EINTR) return FileLock::absent;
  }
  return FileLock::held;
}

std::string reason_for_missing_locks(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return std::strerror(errno);
  const bool absent = try_lock(file) == FileLock::absent;
  const std::string reason = absent ? std::strerror(errno) : "";
  ::close(file);
  return reason;
}

PathLock::PathLock(const std::string& path)
    : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
      state_(file_ < 0 ? FileLock::absent : try_lock(file_)) {}

PathLock::~PathLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace ripieno::io
