#include "ripieno/kernels/activation.h"

#include "ripieno/kernels/cpu/support/activation_functions.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

template <typename T>
void activation_forward(OnCpu, T* out, const T* in, int64_t size, Activation activation) {
  using A = accumulator_t<T>;
  cpu::with_activation(activation, [&](auto function) {
    cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) out[i] = T(function.value(A(in[i])));
    });
  });
}

template <typename T>
void activation_backward(OnCpu, T* grad_in, const T* grad_out, const T* in, int64_t size,
                         Activation activation) {
  using A = accumulator_t<T>;
  cpu::with_activation(activation, [&](auto function) {
    cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        grad_in[i] = T(A(grad_out[i]) * function.derivative(A(in[i])));
      }
    });
  });
}

template void activation_forward(OnCpu, float*, const float*, int64_t, Activation);
template void activation_forward(OnCpu, double*, const double*, int64_t, Activation);
template void activation_forward(OnCpu, bfloat16*, const bfloat16*, int64_t, Activation);
template void activation_forward(OnCpu, float16*, const float16*, int64_t, Activation);

template void activation_backward(OnCpu, float*, const float*, const float*, int64_t, Activation);
template void activation_backward(OnCpu, double*, const double*, const double*, int64_t,
                                  Activation);
template void activation_backward(OnCpu, bfloat16*, const bfloat16*, const bfloat16*, int64_t,
                                  Activation);
template void activation_backward(OnCpu, float16*, const float16*, const float16*, int64_t,
                                  Activation);

}  // namespace ripieno::kernels
