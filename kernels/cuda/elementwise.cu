#include "ripieno/kernels/cuda/elementwise.cuh"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::kernels {
namespace {

template <typename A>
__device__ A apply(Unary op, A x) {
  switch (op) {
    case Unary::kNegate:
      return -x;
    case Unary::kExp:
      return std::exp(x);
    case Unary::kLog:
      return std::log(x);
    case Unary::kSqrt:
      return std::sqrt(x);
    case Unary::kTanh:
      return std::tanh(x);
    case Unary::kSquare:
      return x * x;
    default:
      return A(1) / x;
  }
}

template <typename A>
__device__ A tanh_slope(A x) {
  const A t = std::tanh(x);
  return A(1) - t * t;
}

template <typename A>
__device__ A slope(Unary op, A x) {
  switch (op) {
    case Unary::kNegate:
      return A(-1);
    case Unary::kExp:
      return std::exp(x);
    case Unary::kLog:
      return A(1) / x;
    case Unary::kSqrt:
      return A(0.5) / std::sqrt(x);
    case Unary::kTanh:
      return tanh_slope(x);
    case Unary::kSquare:
      return A(2) * x;
    default:
      return A(-1) / (x * x);
  }
}

// One thread an element, here and below.
template <typename T>
__global__ void unary_kernel(T* out, const T* in, int64_t size, Unary op) {
  const int64_t i = cuda::global_thread();
  if (i < size) out[i] = static_cast<T>(apply(op, cuda::widen(in[i])));
}

template <typename T>
__global__ void unary_backward_kernel(T* grad_in, const T* grad_out, const T* in, int64_t size,
                                      Unary op) {
  const int64_t i = cuda::global_thread();
  if (i >= size) return;
  grad_in[i] = static_cast<T>(cuda::widen(grad_out[i]) * slope(op, cuda::widen(in[i])));
}

template <typename T>
__global__ void binary_kernel(T* out, const T* a, const T* b, int64_t size, Binary op) {
  const int64_t i = cuda::global_thread();
  if (i < size) out[i] = static_cast<T>(cuda::apply(op, cuda::widen(a[i]), cuda::widen(b[i])));
}

template <typename T>
__global__ void affine_kernel(T* out, const T* in, int64_t size, accumulator_t<T> scale,
                              accumulator_t<T> shift) {
  const int64_t i = cuda::global_thread();
  if (i < size) out[i] = static_cast<T>(scale * cuda::widen(in[i]) + shift);
}

template <typename T>
__global__ void fill_kernel(T* out, int64_t size, T value) {
  const int64_t i = cuda::global_thread();
  if (i < size) out[i] = value;
}

}  // namespace

template <typename T>
void unary(OnCuda on, T* out, const T* in, int64_t size, Unary op) {
  cuda::launch(unary_kernel<T>, cuda::thread_each(on, size), out, in, size, op);
}

template <typename T>
void unary_backward(OnCuda on, T* grad_in, const T* grad_out, const T* in, int64_t size, Unary op) {
  cuda::launch(unary_backward_kernel<T>, cuda::thread_each(on, size), grad_in, grad_out, in, size,
               op);
}

template <typename T>
void binary(OnCuda on, T* out, const T* a, const T* b, int64_t size, Binary op) {
  cuda::launch(binary_kernel<T>, cuda::thread_each(on, size), out, a, b, size, op);
}

template <typename T>
void affine(OnCuda on, T* out, const T* in, int64_t size, double scale, double shift) {
  cuda::launch(affine_kernel<T>, cuda::thread_each(on, size), out, in, size, scale, shift);
}

template <typename T>
void fill(OnCuda on, T* out, int64_t size, T value) {
  cuda::launch(fill_kernel<T>, cuda::thread_each(on, size), out, size, value);
}

template void unary(OnCuda, float*, const float*, int64_t, Unary);
template void unary(OnCuda, double*, const double*, int64_t, Unary);
template void unary(OnCuda, bfloat16*, const bfloat16*, int64_t, Unary);
template void unary(OnCuda, float16*, const float16*, int64_t, Unary);

template void unary_backward(OnCuda, float*, const float*, const float*, int64_t, Unary);
template void unary_backward(OnCuda, double*, const double*, const double*, int64_t, Unary);
template void unary_backward(OnCuda, bfloat16*, const bfloat16*, const bfloat16*, int64_t, Unary);
template void unary_backward(OnCuda, float16*, const float16*, const float16*, int64_t, Unary);

template void binary(OnCuda, float*, const float*, const float*, int64_t, Binary);
template void binary(OnCuda, double*, const double*, const double*, int64_t, Binary);
template void binary(OnCuda, bfloat16*, const bfloat16*, const bfloat16*, int64_t, Binary);
template void binary(OnCuda, float16*, const float16*, const float16*, int64_t, Binary);

template void affine(OnCuda, float*, const float*, int64_t, double, double);
template void affine(OnCuda, double*, const double*, int64_t, double, double);
template void affine(OnCuda, bfloat16*, const bfloat16*, int64_t, double, double);
template void affine(OnCuda, float16*, const float16*, int64_t, double, double);

template void fill(OnCuda, float*, int64_t, float);
template void fill(OnCuda, double*, int64_t, double);
template void fill(OnCuda, bfloat16*, int64_t, bfloat16);
template void fill(OnCuda, float16*, int64_t, float16);
template void fill(OnCuda, int64_t*, int64_t, int64_t);
template void fill(OnCuda, int32_t*, int64_t, int32_t);
template void fill(OnCuda, uint8_t*, int64_t, uint8_t);
template void fill(OnCuda, bool*, int64_t, bool);

}  // namespace ripieno::kernels
