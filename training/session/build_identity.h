// What runs: which build of this program, and of the kernels that the loader chose for this
// processor, by the ids that the linker gave them.
#pragma once

#include <string>

namespace ripieno {

struct BuildIdentity {
  std::string program;  // 40 hexadecimal digits; empty where the linker gave none
  std::string kernels;  // as above
  std::string level;    // of the kernels: "x86-64-v3"; "x86-64" where they are of no level
};

BuildIdentity build_identity();

}  // namespace ripieno
