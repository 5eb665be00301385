#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/cuda/activation.cuh"
#include "ripieno/kernels/cuda/device/map.cuh"

namespace ripieno::kernels {
namespace {

template <typename T, Activation activation>
struct Activate {
  __device__ T operator()(T x) const {
    return cuda::narrow<T>(cuda::activate(cuda::widen(x), activation));
  }
};

template <typename T, Activation activation>
struct ActivateBackward {
  __device__ T operator()(T gradient, T x) const {
    return cuda::narrow<T>(cuda::widen(gradient) *
                           cuda::activation_slope(cuda::widen(x), activation));
  }
};

}  // namespace

template <typename T>
void activation_forward(OnCuda on, T* out, const T* in, int64_t size, Activation activation) {
  cuda::for_activation(
      activation, [&]<Activation known>() { cuda::map(on, Activate<T, known>{}, size, out, in); });
}

template <typename T>
void activation_backward(OnCuda on, T* grad_in, const T* grad_out, const T* in, int64_t size,
                         Activation activation) {
  cuda::for_activation(activation, [&]<Activation known>() {
    cuda::map(on, ActivateBackward<T, known>{}, size, grad_in, grad_out, in);
  });
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
