#include "ripieno/kernels/dropout.h"

#include "ripieno/kernels/cpu/support/dropped.h"
#include "ripieno/kernels/cpu/support/parallel.h"

namespace ripieno::kernels {

template <typename T>
void dropout(OnCpu, T* out, const T* in, int64_t size, const DropoutMask& mask) {
  cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
    cpu::for_each_dropped(mask, in, begin, end, [&](int64_t i, T value) { out[i] = value; });
  });
}

template void dropout(OnCpu, float*, const float*, int64_t, const DropoutMask&);
template void dropout(OnCpu, double*, const double*, int64_t, const DropoutMask&);
template void dropout(OnCpu, bfloat16*, const bfloat16*, int64_t, const DropoutMask&);
template void dropout(OnCpu, float16*, const float16*, int64_t, const DropoutMask&);

}  // namespace ripieno::kernels
