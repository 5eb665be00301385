#include "ripieno/kernels/cuda/device/map.cuh"
#include "ripieno/kernels/swiglu.h"

namespace ripieno::kernels {
namespace {

template <typename T>
struct Swiglu {
  __device__ T operator()(T gate, T up) const {
    using A = accumulator_t<T>;
    const A x = cuda::widen(gate);
    return cuda::narrow<T>(x / (A(1) + std::exp(-x)) * cuda::widen(up));
  }
};

// One thread per vector.
template <int width, typename T>
__global__ void swiglu_backward_kernel(T* grad_gate, T* grad_up, const T* grad_out, const T* gate,
                                       const T* up, int64_t size) {
  using A = accumulator_t<T>;
  const int64_t first = cuda::global_thread() * width;
  if (first >= size) return;
  const auto grad_outs = cuda::load<width>(grad_out + first);
  const auto gates = cuda::load<width>(gate + first), ups = cuda::load<width>(up + first);
  cuda::Vector<T, width> to_gate, to_up;
  cuda::unrolled<width>([&](int k) {
    const A x = cuda::widen(gates[k]), g = cuda::widen(grad_outs[k]);
    const A share = A(1) / (A(1) + std::exp(-x));
    to_gate[k] = cuda::narrow<T>(g * cuda::widen(ups[k]) * share * (A(1) + x * (A(1) - share)));
    to_up[k] = cuda::narrow<T>(g * x * share);
  });
  if (grad_gate) cuda::store(grad_gate + first, to_gate);
  if (grad_up) cuda::store(grad_up + first, to_up);
}

template <int width, typename T>
void launch_backward(OnCuda on, T* grad_gate, T* grad_up, const T* grad_out, const T* gate,
                     const T* up, int64_t size) {
  cuda::launch(swiglu_backward_kernel<width, T>,
               cuda::thread_each(on, cuda::ceil_divide(size, width)), grad_gate, grad_up, grad_out,
               gate, up, size);
}

}  // namespace

template <typename T>
void swiglu_forward(OnCuda on, T* out, const T* gate, const T* up, int64_t size) {
  cuda::map(on, Swiglu<T>{}, size, out, gate, up);
}

template <typename T>
void swiglu_backward(OnCuda on, T* grad_gate, T* grad_up, const T* grad_out, const T* gate,
                     const T* up, int64_t size) {
  constexpr int kWidth = cuda::kVectorSize<T>;
  if (size % kWidth == 0 && cuda::is_aligned(grad_gate, grad_up, grad_out, gate, up)) {
    launch_backward<kWidth>(on, grad_gate, grad_up, grad_out, gate, up, size);
  } else {
    launch_backward<1>(on, grad_gate, grad_up, grad_out, gate, up, size);
  }
}

template void swiglu_forward(OnCuda, float*, const float*, const float*, int64_t);
template void swiglu_forward(OnCuda, double*, const double*, const double*, int64_t);
template void swiglu_forward(OnCuda, bfloat16*, const bfloat16*, const bfloat16*, int64_t);
template void swiglu_forward(OnCuda, float16*, const float16*, const float16*, int64_t);

template void swiglu_backward(OnCuda, float*, float*, const float*, const float*, const float*,
                              int64_t);
template void swiglu_backward(OnCuda, double*, double*, const double*, const double*, const double*,
                              int64_t);
template void swiglu_backward(OnCuda, bfloat16*, bfloat16*, const bfloat16*, const bfloat16*,
                              const bfloat16*, int64_t);
template void swiglu_backward(OnCuda, float16*, float16*, const float16*, const float16*,
                              const float16*, int64_t);

}  // namespace ripieno::kernels
