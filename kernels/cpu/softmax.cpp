#include "ripieno/kernels/softmax.h"

#include <cmath>

#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/rows.h"

namespace ripieno::kernels {

namespace {

template <typename T>
void forward_row(T* y, const T* x, int64_t cols, bool logarithm) {
  using A = accumulator_t<T>;
  const A largest = cpu::row_max(x, cols);
  const A sum = cpu::row_sum_of_exp(x, cols, largest);
  if (logarithm) {
    const A log_sum = std::log(sum);  // not added to `largest`: that would lose precision
#pragma omp simd
    for (int64_t c = 0; c < cols; ++c) y[c] = cpu::convert<T>((A(x[c]) - largest) - log_sum);
  } else {
    const A factor = A(1) / sum;
#pragma omp simd
    for (int64_t c = 0; c < cols; ++c) y[c] = cpu::convert<T>(cpu::exp(A(x[c]) - largest) * factor);
  }
}

template <typename T>
void backward_row(T* d, const T* g, const T* y, int64_t cols, bool logarithm) {
  using A = accumulator_t<T>;
  if (logarithm) {
    const A sum = cpu::row_sum<A>(cols, [g](int64_t c) { return A(g[c]); });
#pragma omp simd
    for (int64_t c = 0; c < cols; ++c) d[c] = cpu::convert<T>(A(g[c]) - cpu::exp(A(y[c])) * sum);
  } else {
    const A sum = cpu::row_sum<A>(cols, [g, y](int64_t c) { return A(g[c]) * A(y[c]); });
#pragma omp simd
    for (int64_t c = 0; c < cols; ++c) d[c] = cpu::convert<T>(A(y[c]) * (A(g[c]) - sum));
  }
}

}  // namespace

template <typename T>
void softmax_forward(OnCpu, T* out, const T* in, int64_t rows, int64_t cols, bool logarithm) {
  cpu::for_each_row(rows, 8 * cols, [&](int64_t r) {
    forward_row(out + r * cols, in + r * cols, cols, logarithm);
  });
}

template <typename T>
void softmax_backward(OnCpu, T* grad_in, const T* grad_out, const T* out, int64_t rows,
                      int64_t cols, bool logarithm) {
  cpu::for_each_row(rows, 4 * cols, [&](int64_t r) {
    backward_row(grad_in + r * cols, grad_out + r * cols, out + r * cols, cols, logarithm);
  });
}

template void softmax_forward(OnCpu, float*, const float*, int64_t, int64_t, bool);
template void softmax_forward(OnCpu, double*, const double*, int64_t, int64_t, bool);
template void softmax_forward(OnCpu, bfloat16*, const bfloat16*, int64_t, int64_t, bool);
template void softmax_forward(OnCpu, float16*, const float16*, int64_t, int64_t, bool);

template void softmax_backward(OnCpu, float*, const float*, const float*, int64_t, int64_t, bool);
template void softmax_backward(OnCpu, double*, const double*, const double*, int64_t, int64_t,
                               bool);
template void softmax_backward(OnCpu, bfloat16*, const bfloat16*, const bfloat16*, int64_t, int64_t,
                               bool);
template void softmax_backward(OnCpu, float16*, const float16*, const float16*, int64_t, int64_t,
                               bool);

}  // namespace ripieno::kernels
