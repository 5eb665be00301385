#include "ripieno/kernels/cpu_library.h"

namespace ripieno::kernels {

const char* cpu_library_identity() noexcept { return RIPIENO_CPU_LIBRARY_IDENTITY; }

}  // namespace ripieno::kernels
