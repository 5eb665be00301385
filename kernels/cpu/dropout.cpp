#include "ripieno/kernels/dropout.h"

#include "ripieno/kernels/cpu/parallel.h"
#include "ripieno/kernels/cpu/random_blocks.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

template <typename T>
void dropout(OnCpu, T* out, const T* in, int64_t size, double probability, const RandomKey* key,
             int64_t offset) {
  using A = accumulator_t<T>;
  const A scale = static_cast<A>(1.0 / (1.0 - probability));
  const float threshold = static_cast<float>(probability);
  cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
    cpu::for_each_word(*key, offset, begin, end, [&](int64_t i, uint32_t word) {
      out[i] = to_uniform(word) > threshold ? T(A(in[i]) * scale) : T(A(0));
    });
  });
}

template void dropout(OnCpu, float*, const float*, int64_t, double, const RandomKey*, int64_t);
template void dropout(OnCpu, double*, const double*, int64_t, double, const RandomKey*, int64_t);
template void dropout(OnCpu, bfloat16*, const bfloat16*, int64_t, double, const RandomKey*,
                      int64_t);
template void dropout(OnCpu, float16*, const float16*, int64_t, double, const RandomKey*, int64_t);

}  // namespace ripieno::kernels
