#include "ripieno/kernels/cuda/device.cuh"
#include "ripieno/kernels/dropout.h"

namespace ripieno::kernels {
namespace {

// One thread an element.
template <typename T>
__global__ void dropout_kernel(T* out, const T* in, int64_t size, float probability,
                               accumulator_t<T> scale, const RandomKey* key, int64_t offset) {
  const int64_t i = cuda::global_thread();
  if (i >= size) return;
  const auto element = static_cast<uint64_t>(offset + i);
  const uint32_t word = philox(*key, element / 4).word[element % 4];
  const bool kept = to_uniform(word) > probability;
  out[i] = static_cast<T>(kept ? cuda::widen(in[i]) * scale : accumulator_t<T>(0));
}

}  // namespace

template <typename T>
void dropout(OnCuda on, T* out, const T* in, int64_t size, double probability, const RandomKey* key,
             int64_t offset) {
  cuda::launch(dropout_kernel<T>, cuda::thread_each(on, size), out, in, size, probability,
               1.0 / (1.0 - probability), key, offset);
}

template void dropout(OnCuda, float*, const float*, int64_t, double, const RandomKey*, int64_t);
template void dropout(OnCuda, double*, const double*, int64_t, double, const RandomKey*, int64_t);
template void dropout(OnCuda, bfloat16*, const bfloat16*, int64_t, double, const RandomKey*,
                      int64_t);
template void dropout(OnCuda, float16*, const float16*, int64_t, double, const RandomKey*, int64_t);

}  // namespace ripieno::kernels
