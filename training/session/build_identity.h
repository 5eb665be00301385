// Build ids of the running program and of the kernel library that the dynamic loader chose for this
// processor.
#pragma once

#include <string>

namespace ripieno {

struct BuildIdentity {
  std::string program;  // build id, 40 hexadecimal digits; empty if linked without one
  std::string kernels;  // the same, of the kernel library
  std::string level;    // of the kernel library: "x86-64-v3", or "x86-64" outside glibc-hwcaps
};

BuildIdentity build_identity();

}  // namespace ripieno
