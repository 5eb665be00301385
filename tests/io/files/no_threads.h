// For the child process of a death test: from here on it is refused every thread.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <system_error>
#include <thread>

namespace ripieno::io {

// False where the system does not refuse them all the same.
inline bool refuse_threads() {
  constexpr uid_t kNobody = 64917;  // root is refused nothing
  if (::geteuid() == 0 && ::setuid(kNobody) != 0) return false;
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_NPROC, &none) != 0) return false;
  try {
    std::thread([] {}).join();
    return false;
  } catch (const std::system_error&) {
    return true;
  }
}

}  // namespace ripieno::io
