// Simulates a file system without locks: replaces flock() of the C library. Include it in exactly
// one source file of a test executable.
#pragma once

#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace ripieno::io {

inline int flock_fails_with = 0;  // errno that flock() fails with; 0: flock() works

}  // namespace ripieno::io

extern "C" int flock(int file, int operation) noexcept {
  if (ripieno::io::flock_fails_with == 0)
    return static_cast<int>(::syscall(SYS_flock, file, operation));
  errno = ripieno::io::flock_fails_with;
  return -1;
}
