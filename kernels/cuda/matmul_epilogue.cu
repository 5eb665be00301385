#include "ripieno/kernels/cuda/device/formulas.cuh"
#include "ripieno/kernels/cuda/matmul_epilogue.h"

namespace ripieno::kernels::cuda {
namespace {

int64_t size_of(const MatmulShape& shape) { return shape.batch * shape.m * shape.n; }

// Offset of an element of the product, counted over all batches, in c.
__device__ int64_t offset_of(int64_t element, const MatmulShape& shape) {
  const int64_t row = element / shape.n;
  return row / shape.m * shape.stride_c + row % shape.m * shape.ldc + element % shape.n;
}

// One thread per element.
template <typename T>
__global__ void zero_kernel(T* c, MatmulShape shape, int64_t size) {
  const int64_t i = global_thread();
  if (i < size) c[offset_of(i, shape)] = static_cast<T>(0.0f);
}

// One thread per element.
template <typename T>
__global__ void bias_activation_kernel(T* c, T* before_activation, const T* bias, MatmulShape shape,
                                       int64_t size, Activation activation) {
  const int64_t i = global_thread();
  if (i >= size) return;
  const int64_t offset = offset_of(i, shape);
  auto value = widen(c[offset]);
  if (bias) value += widen(bias[i % shape.n]);
  if (before_activation) before_activation[offset] = static_cast<T>(value);
  c[offset] = static_cast<T>(formulas::value_of<Math>(activation, value));
}

}  // namespace

template <typename T>
void zero_product(OnCuda on, T* c, const MatmulShape& shape) {
  const int64_t size = size_of(shape);
  launch(zero_kernel<T>, thread_each(on, size), c, shape, size);
}

template <typename T>
void add_bias_and_activate(OnCuda on, T* c, T* before_activation, const T* bias,
                           const MatmulShape& shape, Activation activation) {
  const int64_t size = size_of(shape);
  launch(bias_activation_kernel<T>, thread_each(on, size), c, before_activation, bias, shape, size,
         activation);
}

template void zero_product(OnCuda, float*, const MatmulShape&);
template void zero_product(OnCuda, double*, const MatmulShape&);
template void zero_product(OnCuda, bfloat16*, const MatmulShape&);
template void zero_product(OnCuda, float16*, const MatmulShape&);

template void add_bias_and_activate(OnCuda, float*, float*, const float*, const MatmulShape&,
                                    Activation);
template void add_bias_and_activate(OnCuda, double*, double*, const double*, const MatmulShape&,
                                    Activation);
template void add_bias_and_activate(OnCuda, bfloat16*, bfloat16*, const bfloat16*,
                                    const MatmulShape&, Activation);
template void add_bias_and_activate(OnCuda, float16*, float16*, const float16*, const MatmulShape&,
                                    Activation);

}  // namespace ripieno::kernels::cuda
