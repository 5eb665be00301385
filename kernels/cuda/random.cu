#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/random.h"

namespace ripieno::kernels {
namespace {

__device__ double uniform_at(const RandomBlock& block, uint64_t index) {
  return static_cast<double>(to_uniform(block.word[index]));
}

// Elements 0 and 1 of a block are computed from its words 0 and 1, 2 and 3 from words 2 and 3.
__device__ double normal_at(const RandomBlock& block, uint64_t index) {
  const uint64_t pair = index / 2 * 2;
  const double radius = std::sqrt(-2.0 * std::log(uniform_at(block, pair)));
  const double angle = 6.283185307179586 * uniform_at(block, pair + 1);
  return radius * (index % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

// One thread per element.   out[i] = base + factor * number(offset + i).
template <typename T, double number(const RandomBlock&, uint64_t)>
__global__ void fill_kernel(T* out, int64_t size, double base, double factor, RandomKey key,
                            int64_t offset) {
  const int64_t i = cuda::global_thread();
  if (i >= size) return;
  const auto element = static_cast<uint64_t>(offset + i);
  const double value = base + factor * number(philox(key, element / 4), element % 4);
  out[i] = static_cast<T>(static_cast<accumulator_t<T>>(value));
}

// A single thread.
__global__ void key_kernel(RandomKey* out, const RandomKey* step, uint64_t stream) {
  *out = {step->seed, stream, step->step};
}

}  // namespace

void key_of_stream(OnCuda on, RandomKey* out, const RandomKey* step, uint64_t stream) {
  cuda::launch(key_kernel, {dim3(1), dim3(1), 0, on.stream}, out, step, stream);
}

template <typename T>
void fill_uniform(OnCuda on, T* out, int64_t size, double low, double high, const RandomKey& key,
                  int64_t offset) {
  cuda::launch(fill_kernel<T, uniform_at>, cuda::thread_each(on, size), out, size, low, high - low,
               key, offset);
}

template <typename T>
void fill_normal(OnCuda on, T* out, int64_t size, double mean, double deviation,
                 const RandomKey& key, int64_t offset) {
  cuda::launch(fill_kernel<T, normal_at>, cuda::thread_each(on, size), out, size, mean, deviation,
               key, offset);
}

template void fill_uniform(OnCuda, float*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_uniform(OnCuda, double*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_uniform(OnCuda, bfloat16*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_uniform(OnCuda, float16*, int64_t, double, double, const RandomKey&, int64_t);

template void fill_normal(OnCuda, float*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_normal(OnCuda, double*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_normal(OnCuda, bfloat16*, int64_t, double, double, const RandomKey&, int64_t);
template void fill_normal(OnCuda, float16*, int64_t, double, double, const RandomKey&, int64_t);

}  // namespace ripieno::kernels
