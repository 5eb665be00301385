// refuse_threads(): makes the system refuse new threads, for the child process of a death test.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <system_error>
#include <thread>

namespace ripieno::io {

// Returns false if threads can still be started afterwards.
inline bool refuse_threads() {
  constexpr uid_t kNobody = 64917;  // limits do not apply to root
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
