#include "ripieno/kernels/scale.h"

#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/parallel.h"

namespace ripieno::kernels {

template <typename T, typename From>
void scale_by(OnCpu, T* out, const From* in, const accumulator_t<T>* factor, int64_t size,
              double scale, bool accumulate) {
  using A = accumulator_t<T>;
  const A by = static_cast<A>(scale) * *factor;
  cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const A value = by * A(in[i]);
      out[i] = cpu::convert<T>(accumulate ? A(out[i]) + value : value);
    }
  });
}

template void scale_by(OnCpu, float*, const float*, const float*, int64_t, double, bool);
template void scale_by(OnCpu, double*, const double*, const double*, int64_t, double, bool);
template void scale_by(OnCpu, bfloat16*, const bfloat16*, const float*, int64_t, double, bool);
template void scale_by(OnCpu, bfloat16*, const float*, const float*, int64_t, double, bool);
template void scale_by(OnCpu, float16*, const float16*, const float*, int64_t, double, bool);
template void scale_by(OnCpu, float16*, const float*, const float*, int64_t, double, bool);

}  // namespace ripieno::kernels
