#include "ripieno/kernels/activation.h"

#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

template <typename T>
void activation_forward(OnCpu, T* out, const T* in, int64_t size, Activation activation) {
  using A = accumulator_t<T>;
  formulas::with_activation<cpu::Math>(activation, [&](auto formula) {
    cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) out[i] = cpu::convert<T>(formula.value(A(in[i])));
    });
  });
}

template <typename T>
void activation_backward(OnCpu, T* grad_in, const T* grad_out, const T* in, int64_t size,
                         Activation activation) {
  using A = accumulator_t<T>;
  formulas::with_activation<cpu::Math>(activation, [&](auto formula) {
    cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        grad_in[i] = cpu::convert<T>(A(grad_out[i]) * formula.derivative(A(in[i])));
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
