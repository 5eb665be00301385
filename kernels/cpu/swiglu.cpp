#include "ripieno/kernels/swiglu.h"

#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

template <typename T>
void swiglu_forward(OnCpu, T* out, const T* gate, const T* up, int64_t size) {
  using A = accumulator_t<T>;
  cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const A x = A(gate[i]);
      out[i] = T(x / (A(1) + cpu::exp(-x)) * A(up[i]));
    }
  });
}

template <typename T>
void swiglu_backward(OnCpu, T* grad_gate, T* grad_up, const T* grad_out, const T* gate, const T* up,
                     int64_t size) {
  using A = accumulator_t<T>;
  cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const A x = A(gate[i]), g = A(grad_out[i]), share = A(1) / (A(1) + cpu::exp(-x));
      const A of_gate = g * A(up[i]) * share * (A(1) + x * (A(1) - share));
      if (grad_gate) grad_gate[i] = T(of_gate);
      if (grad_up) grad_up[i] = T(g * x * share);
    }
  });
}

template void swiglu_forward(OnCpu, float*, const float*, const float*, int64_t);
template void swiglu_forward(OnCpu, double*, const double*, const double*, int64_t);
template void swiglu_forward(OnCpu, bfloat16*, const bfloat16*, const bfloat16*, int64_t);
template void swiglu_forward(OnCpu, float16*, const float16*, const float16*, int64_t);

template void swiglu_backward(OnCpu, float*, float*, const float*, const float*, const float*,
                              int64_t);
template void swiglu_backward(OnCpu, double*, double*, const double*, const double*, const double*,
                              int64_t);
template void swiglu_backward(OnCpu, bfloat16*, bfloat16*, const bfloat16*, const bfloat16*,
                              const bfloat16*, int64_t);
template void swiglu_backward(OnCpu, float16*, float16*, const float16*, const float16*,
                              const float16*, int64_t);

}  // namespace ripieno::kernels
