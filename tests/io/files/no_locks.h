// For tests of file systems without locks: flock() as they answer it. Include it in one source of
// an executable, where it takes the place of the C library's.
#pragma once

#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace ripieno::io {

inline int flock_fails_with = 0;  // an errno; 0: it works

}  // namespace ripieno::io

extern "C" int flock(int file, int operation) noexcept {
  if (ripieno::io::flock_fails_with == 0)
    return static_cast<int>(::syscall(SYS_flock, file, operation));
  errno = ripieno::io::flock_fails_with;
  return -1;
}
