#include "ripieno/kernels/cpu_library.h"

#include <dlfcn.h>

#include <cstring>

namespace ripieno::kernels {

const char* expected_cpu_library_identity() noexcept { return RIPIENO_CPU_LIBRARY_IDENTITY; }

std::string cpu_library_mismatch() {
  const char* found = cpu_library_identity();
  if (std::strcmp(found, expected_cpu_library_identity()) == 0) return "";
  Dl_info library{};
  const bool is_known =
      ::dladdr(reinterpret_cast<void*>(&cpu_library_identity), &library) != 0 && library.dli_fname;
  return std::string("the CPU kernels in ") + (is_known ? library.dli_fname : "a library") +
         " are from another build: found " + found + ", required " +
         expected_cpu_library_identity() +
         "; rebuild and reinstall Ripieno, including its folder glibc-hwcaps";
}

}  // namespace ripieno::kernels
