#include "ripieno/kernels/cross_entropy.h"

#include <cmath>
#include <limits>

#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/rows.h"

namespace ripieno::kernels {

namespace {

bool is_class(int32_t target, int64_t classes) { return target >= 0 && target < classes; }

// log(sum(exp(logits))) = largest + log_sum, as two numbers: see cross_entropy.h.
template <typename A>
struct LogSumExp {
  A largest, log_sum;

  static LogSumExp load(const A* from) { return {from[0], from[1]}; }
  void store(A* to) const {
    to[0] = largest;
    to[1] = log_sum;
  }
};

template <typename T>
LogSumExp<accumulator_t<T>> log_sum_of_exp(const T* logits, int64_t classes) {
  const auto largest = cpu::row_max(logits, classes);
  return {largest, std::log(cpu::row_sum_of_exp(logits, classes, largest))};
}

// Loss of one row.
template <typename T>
accumulator_t<T> row_loss(const T* logits, int32_t target, int64_t classes, int32_t ignored,
                          const LogSumExp<accumulator_t<T>>& total) {
  using A = accumulator_t<T>;
  if (target == ignored) return A(0);
  if (!is_class(target, classes)) return std::numeric_limits<A>::quiet_NaN();
  return (total.largest - A(logits[target])) + total.log_sum;
}

// grad[c] = scale * (softmax(logits)[c] - [c == target]).   grad may alias logits.
template <typename T>
void row_gradient(T* grad, const T* logits, int32_t target, int64_t classes, int32_t ignored,
                  const LogSumExp<accumulator_t<T>>& total, accumulator_t<T> scale) {
  using A = accumulator_t<T>;
  if (target == ignored || !is_class(target, classes)) {
    for (int64_t c = 0; c < classes; ++c) grad[c] = T(A(0));
    return;
  }
  const A largest = total.largest, log_sum = total.log_sum;
  const A at_target = cpu::exp((A(logits[target]) - largest) - log_sum) - A(1);
#pragma omp simd
  for (int64_t c = 0; c < classes; ++c) {
    grad[c] = cpu::convert<T>(scale * cpu::exp((A(logits[c]) - largest) - log_sum));
  }
  grad[target] = T(scale * at_target);
}

}  // namespace

template <typename T>
void cross_entropy_forward(OnCpu, accumulator_t<T>* row_losses, accumulator_t<T>* log_sum_exp,
                           const T* logits, const int32_t* targets, const LogitsShape& shape,
                           int32_t ignored) {
  cpu::for_each_row(shape.rows, 8 * shape.classes, [&](int64_t r) {
    const T* row = logits + r * shape.stride;
    const auto total = log_sum_of_exp(row, shape.classes);
    if (log_sum_exp) total.store(log_sum_exp + 2 * r);
    row_losses[r] = row_loss(row, targets[r], shape.classes, ignored, total);
  });
}

template <typename T>
void cross_entropy_in_place(OnCpu, accumulator_t<T>* row_losses, T* logits, const int32_t* targets,
                            const LogitsShape& shape, int32_t ignored, double scale) {
  cpu::for_each_row(shape.rows, 16 * shape.classes, [&](int64_t r) {
    T* row = logits + r * shape.stride;
    const auto total = log_sum_of_exp(row, shape.classes);
    row_losses[r] = row_loss(row, targets[r], shape.classes, ignored, total);
    row_gradient(row, row, targets[r], shape.classes, ignored, total,
                 static_cast<accumulator_t<T>>(scale));
  });
}

template <typename A>
void cross_entropy_sum(OnCpu, A* loss_sum, A* count, const A* row_losses, const int32_t* targets,
                       int64_t rows, int32_t ignored) {
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
                            const accumulator_t<T>* log_sum_exp, const LogitsShape& shape,
                            int32_t ignored) {
  cpu::for_each_row(shape.rows, 8 * shape.classes, [&](int64_t r) {
    row_gradient(grad_logits + r * shape.stride, logits + r * shape.stride, targets[r],
                 shape.classes, ignored, LogSumExp<accumulator_t<T>>::load(log_sum_exp + 2 * r),
                 *grad_loss);
  });
}

template void cross_entropy_forward(OnCpu, float*, float*, const float*, const int32_t*,
                                    const LogitsShape&, int32_t);
template void cross_entropy_forward(OnCpu, double*, double*, const double*, const int32_t*,
                                    const LogitsShape&, int32_t);
template void cross_entropy_forward(OnCpu, float*, float*, const bfloat16*, const int32_t*,
                                    const LogitsShape&, int32_t);
template void cross_entropy_forward(OnCpu, float*, float*, const float16*, const int32_t*,
                                    const LogitsShape&, int32_t);

template void cross_entropy_in_place(OnCpu, float*, float*, const int32_t*, const LogitsShape&,
                                     int32_t, double);
template void cross_entropy_in_place(OnCpu, double*, double*, const int32_t*, const LogitsShape&,
                                     int32_t, double);
template void cross_entropy_in_place(OnCpu, float*, bfloat16*, const int32_t*, const LogitsShape&,
                                     int32_t, double);
template void cross_entropy_in_place(OnCpu, float*, float16*, const int32_t*, const LogitsShape&,
                                     int32_t, double);

template void cross_entropy_sum(OnCpu, float*, float*, const float*, const int32_t*, int64_t,
                                int32_t);
template void cross_entropy_sum(OnCpu, double*, double*, const double*, const int32_t*, int64_t,
                                int32_t);

template void cross_entropy_backward(OnCpu, float*, const float*, const float*, const int32_t*,
                                     const float*, const LogitsShape&, int32_t);
template void cross_entropy_backward(OnCpu, double*, const double*, const double*, const int32_t*,
                                     const double*, const LogitsShape&, int32_t);
template void cross_entropy_backward(OnCpu, bfloat16*, const float*, const bfloat16*,
                                     const int32_t*, const float*, const LogitsShape&, int32_t);
template void cross_entropy_backward(OnCpu, float16*, const float*, const float16*, const int32_t*,
                                     const float*, const LogitsShape&, int32_t);

}  // namespace ripieno::kernels
