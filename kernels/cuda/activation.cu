#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/cuda/device/formulas.cuh"
#include "ripieno/kernels/cuda/device/map.cuh"

namespace ripieno::kernels {

template <typename T>
void activation_forward(OnCuda on, T* out, const T* in, int64_t size, Activation activation) {
  formulas::with_activation<cuda::Math>(activation, [&]<typename Formula>(Formula) {
    cuda::map(on, cuda::Value<T, Formula>{}, size, out, in);
  });
}

template <typename T>
void activation_backward(OnCuda on, T* grad_in, const T* grad_out, const T* in, int64_t size,
                         Activation activation) {
  formulas::with_activation<cuda::Math>(activation, [&]<typename Formula>(Formula) {
    cuda::map(on, cuda::TimesDerivative<T, Formula>{}, size, grad_in, grad_out, in);
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
