#include "ripieno/kernels/cuda/runtime/ranges.h"

namespace ripieno::kernels::cuda {

void begin_range(const char*) {}
void end_range() {}

}  // namespace ripieno::kernels::cuda
