// The kernels on GPUs: element-wise functions, which cuda::map applies to vectors of 16 bytes.
#include <ripieno/kernels/cuda/device/map.cuh>

#include "soft_cap_kernels.h"

namespace {

using namespace ripieno::kernels;

template <typename T>
struct Forward {
  accumulator_t<T> cap;
  __device__ T operator()(T x) const {
    return cuda::narrow<T>(cap * std::tanh(cuda::widen(x) / cap));
  }
};

template <typename T>
struct Backward {
  accumulator_t<T> cap;
  __device__ T operator()(T grad_out, T out) const {
    const auto y = cuda::widen(out) / cap;
    return cuda::narrow<T>(cuda::widen(grad_out) * (1 - y * y));
  }
};

}  // namespace

template <typename T>
void soft_cap_forward(OnCuda on, T* out, const T* in, int64_t size, double cap) {
  cuda::map(on, Forward<T>{static_cast<accumulator_t<T>>(cap)}, size, out, in);
}

template <typename T>
void soft_cap_backward(OnCuda on, T* grad_in, const T* grad_out, const T* out, int64_t size,
                       double cap) {
  cuda::map(on, Backward<T>{static_cast<accumulator_t<T>>(cap)}, size, grad_in, grad_out, out);
}

template void soft_cap_forward(OnCuda, float*, const float*, int64_t, double);
template void soft_cap_forward(OnCuda, double*, const double*, int64_t, double);
template void soft_cap_forward(OnCuda, bfloat16*, const bfloat16*, int64_t, double);
template void soft_cap_forward(OnCuda, float16*, const float16*, int64_t, double);

template void soft_cap_backward(OnCuda, float*, const float*, const float*, int64_t, double);
template void soft_cap_backward(OnCuda, double*, const double*, const double*, int64_t, double);
template void soft_cap_backward(OnCuda, bfloat16*, const bfloat16*, const bfloat16*, int64_t,
                                double);
template void soft_cap_backward(OnCuda, float16*, const float16*, const float16*, int64_t, double);
