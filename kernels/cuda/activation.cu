#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/cuda/activation.cuh"

namespace ripieno::kernels {
namespace {

// One thread an element.
template <typename T>
__global__ void forward_kernel(T* out, const T* in, int64_t size, Activation activation) {
  const int64_t i = cuda::global_thread();
  if (i < size) out[i] = static_cast<T>(cuda::activate(cuda::widen(in[i]), activation));
}

// One thread an element.
template <typename T>
__global__ void backward_kernel(T* grad_in, const T* grad_out, const T* in, int64_t size,
                                Activation activation) {
  const int64_t i = cuda::global_thread();
  if (i >= size) return;
  const auto slope = cuda::activation_slope(cuda::widen(in[i]), activation);
  grad_in[i] = static_cast<T>(cuda::widen(grad_out[i]) * slope);
}

}  // namespace

template <typename T>
void activation_forward(OnCuda on, T* out, const T* in, int64_t size, Activation activation) {
  cuda::launch(forward_kernel<T>, cuda::thread_each(on, size), out, in, size, activation);
}

template <typename T>
void activation_backward(OnCuda on, T* grad_in, const T* grad_out, const T* in, int64_t size,
                         Activation activation) {
  cuda::launch(backward_kernel<T>, cuda::thread_each(on, size), grad_in, grad_out, in, size,
               activation);
}

template void activation_forward(OnCuda, float*, const float*, int64_t, Activation);
template void activation_forward(OnCuda, double*, const double*, int64_t, Activation);
template void activation_forward(OnCuda, bfloat16*, const bfloat16*, int64_t, Activation);
template void activation_forward(OnCuda, float16*, const float16*, int64_t, Activation);

template void activation_backward(OnCuda, float*, const float*, const float*, int64_t, Activation);
template void activation_backward(OnCuda, double*, const double*, const double*, int64_t,
                                  Activation);
template void activation_backward(OnCuda, bfloat16*, const bfloat16*, const bfloat16*, int64_t,
                                  Activation);
template void activation_backward(OnCuda, float16*, const float16*, const float16*, int64_t,
                                  Activation);

}  // namespace ripieno::kernels
