#include "ripieno/kernels/cross_entropy.h"

#include <cmath>
#include <limits>

#include "ripieno/kernels/cpu/parallel.h"
#include "ripieno/kernels/cpu/rows.h"

namespace ripieno::kernels {

namespace {

// out[c] = scale * exp(x[c] - shift).
template <typename T>
void scaled_exp(T* out, const T* x, int64_t cols, accumulator_t<T> shift, accumulator_t<T> scale) {
  using A = accumulator_t<T>;
#pragma omp simd
  for (int64_t c = 0; c < cols; ++c) out[c] = T(scale * cpu::exp(A(x[c]) - shift));
}

}  // namespace

template <typename T>
void cross_entropy_forward(OnCpu, accumulator_t<T>* loss_sum, accumulator_t<T>* count,
                           accumulator_t<T>* log_sum_exp, accumulator_t<T>* row_losses,
                           const T* logits, const int32_t* targets, int64_t rows, int64_t classes,
                           int32_t ignored) {
  using A = accumulator_t<T>;
  cpu::for_each_row(rows, 8 * classes, [&](int64_t r) {
    const T* row = logits + r * classes;
    const A largest = cpu::row_max(row, classes);
    log_sum_exp[r] = largest + std::log(cpu::row_sum_of_exp(row, classes, largest));
    const int32_t target = targets[r];
    if (target == ignored) {
      row_losses[r] = 0;
    } else if (target < 0 || target >= classes) {
      row_losses[r] = std::numeric_limits<A>::quiet_NaN();
    } else {
      row_losses[r] = log_sum_exp[r] - A(row[target]);
    }
  });
  double sum = 0;
  int64_t kept = 0;
  for (int64_t r = 0; r < rows; ++r) {
    sum += static_cast<double>(row_losses[r]);
    kept += targets[r] != ignored;
  }
  *loss_sum = static_cast<A>(sum);
  *count = static_cast<A>(kept);
}

template <typename T>
void cross_entropy_backward(OnCpu, T* grad_logits, const accumulator_t<T>* grad_loss,
                            const T* logits, const int32_t* targets,
                            const accumulator_t<T>* log_sum_exp, int64_t rows, int64_t classes,
                            int32_t ignored) {
  using A = accumulator_t<T>;
  const A scale = *grad_loss;
  cpu::for_each_row(rows, 8 * classes, [&](int64_t r) {
    const T* x = logits + r * classes;
    T* grad = grad_logits + r * classes;
    const int32_t target = targets[r];
    if (target == ignored) {
      for (int64_t c = 0; c < classes; ++c) grad[c] = T(A(0));
      return;
    }
    const A shift = log_sum_exp[r];
    const bool known = target >= 0 && target < classes;
    const A at_target = known ? cpu::exp(A(x[target]) - shift) - A(1) : A(0);
    scaled_exp(grad, x, classes, shift, scale);
    if (known) grad[target] = T(scale * at_target);
  });
}

template void cross_entropy_forward(OnCpu, float*, float*, float*, float*, const float*,
                                    const int32_t*, int64_t, int64_t, int32_t);
template void cross_entropy_forward(OnCpu, double*, double*, double*, double*, const double*,
                                    const int32_t*, int64_t, int64_t, int32_t);
template void cross_entropy_forward(OnCpu, float*, float*, float*, float*, const bfloat16*,
                                    const int32_t*, int64_t, int64_t, int32_t);
template void cross_entropy_forward(OnCpu, float*, float*, float*, float*, const float16*,
                                    const int32_t*, int64_t, int64_t, int32_t);

template void cross_entropy_backward(OnCpu, float*, const float*, const float*, const int32_t*,
                                     const float*, int64_t, int64_t, int32_t);
template void cross_entropy_backward(OnCpu, double*, const double*, const double*, const int32_t*,
                                     const double*, int64_t, int64_t, int32_t);
template void cross_entropy_backward(OnCpu, bfloat16*, const float*, const bfloat16*,
                                     const int32_t*, const float*, int64_t, int64_t, int32_t);
template void cross_entropy_backward(OnCpu, float16*, const float*, const float16*, const int32_t*,
                                     const float*, int64_t, int64_t, int32_t);

}  // namespace ripieno::kernels
