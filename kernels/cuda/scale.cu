#include "ripieno/kernels/cuda/device.cuh"
#include "ripieno/kernels/scale.h"

namespace ripieno::kernels {
namespace {

// One thread an element.
template <typename T, typename From>
__global__ void scale_kernel(T* out, const From* in, const accumulator_t<T>* factor, int64_t size,
                             accumulator_t<T> scale, bool accumulate) {
  const int64_t i = cuda::global_thread();
  if (i >= size) return;
  const accumulator_t<T> value = scale * *factor * cuda::widen(in[i]);
  out[i] = static_cast<T>(accumulate ? cuda::widen(out[i]) + value : value);
}

}  // namespace

template <typename T, typename From>
void scale_by(OnCuda on, T* out, const From* in, const accumulator_t<T>* factor, int64_t size,
              double scale, bool accumulate) {
  cuda::launch(scale_kernel<T, From>, cuda::thread_each(on, size), out, in, factor, size, scale,
               accumulate);
}

template void scale_by(OnCuda, float*, const float*, const float*, int64_t, double, bool);
template void scale_by(OnCuda, double*, const double*, const double*, int64_t, double, bool);
template void scale_by(OnCuda, bfloat16*, const bfloat16*, const float*, int64_t, double, bool);
template void scale_by(OnCuda, bfloat16*, const float*, const float*, int64_t, double, bool);
template void scale_by(OnCuda, float16*, const float16*, const float*, int64_t, double, bool);
template void scale_by(OnCuda, float16*, const float*, const float*, int64_t, double, bool);

}  // namespace ripieno::kernels
