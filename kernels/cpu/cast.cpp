#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::kernels {

template <typename To, typename From>
void cast(OnCpu, To* out, const From* in, int64_t size) {
  cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = cpu::convert<To>(in[i]);
  });
}

// 64 pairs of types.
#define RIPIENO_CAST_TO(To)                                 \
  template void cast(OnCpu, To*, const float*, int64_t);    \
  template void cast(OnCpu, To*, const double*, int64_t);   \
  template void cast(OnCpu, To*, const bfloat16*, int64_t); \
  template void cast(OnCpu, To*, const float16*, int64_t);  \
  template void cast(OnCpu, To*, const int64_t*, int64_t);  \
  template void cast(OnCpu, To*, const int32_t*, int64_t);  \
  template void cast(OnCpu, To*, const uint8_t*, int64_t);  \
  template void cast(OnCpu, To*, const bool*, int64_t)

RIPIENO_CAST_TO(float);
RIPIENO_CAST_TO(double);
RIPIENO_CAST_TO(bfloat16);
RIPIENO_CAST_TO(float16);
RIPIENO_CAST_TO(int64_t);
RIPIENO_CAST_TO(int32_t);
RIPIENO_CAST_TO(uint8_t);
RIPIENO_CAST_TO(bool);

#undef RIPIENO_CAST_TO

}  // namespace ripieno::kernels
