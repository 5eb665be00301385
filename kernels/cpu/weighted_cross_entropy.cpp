#include "ripieno/kernels/weighted_cross_entropy.h"

#include <cmath>
#include <limits>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/rows.h"
#include "ripieno/kernels/rules/weighted_cross_entropy_formulas.h"

namespace ripieno::kernels {
namespace {

struct Widen {
  template <typename T>
  accumulator_t<T> operator()(T x) const {
    return accumulator_t<T>(x);
  }
};

template <typename T>
using Row = formulas::WeightedRow<T, Widen>;

}  // namespace

template <typename T>
void weighted_cross_entropy_forward(OnCpu, accumulator_t<T>* row_losses,
                                    accumulator_t<T>* row_counts, accumulator_t<T>* statistics,
                                    const WeightedCrossEntropy<T>& of) {
  using A = accumulator_t<T>;
  cpu::for_each_row(of.rows, 12 * of.classes, [=](int64_t r) {
    const Row<T> row{of, r, {}};
    row_counts[r] = row.count();
    A largest = A(0), log_sum = A(0);
    if (!of.is_normalized) {
      const T* const logits = of.logits + r * of.classes;
      largest = cpu::row_max(logits, of.classes);
      log_sum = std::log(cpu::row_sum_of_exp(logits, of.classes, largest));
    }
    A shares = A(0), loss = A(0);
    if (row.counts()) {
      shares = cpu::row_sum<A>(of.classes, [&](int64_t c) { return row.share(c); });
      loss = cpu::row_sum<A>(of.classes, [&](int64_t c) { return row.term(c, largest, log_sum); });
    } else if (!row.is_ignored()) {
      loss = std::numeric_limits<A>::quiet_NaN();
    }
    row_losses[r] = loss;
    statistics[3 * r] = largest;
    statistics[3 * r + 1] = log_sum;
    statistics[3 * r + 2] = shares;
  });
}

template <typename T>
void weighted_cross_entropy_backward(OnCpu, T* grad_logits, T* grad_probabilities,
                                     const accumulator_t<T>* grad_loss,
                                     const accumulator_t<T>* statistics,
                                     const WeightedCrossEntropy<T>& of) {
  const accumulator_t<T> scale = *grad_loss;
  cpu::for_each_row(of.rows, 12 * of.classes, [=](int64_t r) {
    const Row<T> row{of, r, {}};
    const int64_t begin = r * of.classes;
    for (int64_t c = 0; c < of.classes; ++c) {
      if (grad_logits) grad_logits[begin + c] = T(scale * row.gradient(c, statistics + 3 * r));
      if (grad_probabilities)
        grad_probabilities[begin + c] = T(scale * row.probability_gradient(c, statistics + 3 * r));
    }
  });
}

template void weighted_cross_entropy_forward(OnCpu, float*, float*, float*,
                                             const WeightedCrossEntropy<float>&);
template void weighted_cross_entropy_forward(OnCpu, double*, double*, double*,
                                             const WeightedCrossEntropy<double>&);
template void weighted_cross_entropy_forward(OnCpu, float*, float*, float*,
                                             const WeightedCrossEntropy<bfloat16>&);
template void weighted_cross_entropy_forward(OnCpu, float*, float*, float*,
                                             const WeightedCrossEntropy<float16>&);

template void weighted_cross_entropy_backward(OnCpu, float*, float*, const float*, const float*,
                                              const WeightedCrossEntropy<float>&);
template void weighted_cross_entropy_backward(OnCpu, double*, double*, const double*, const double*,
                                              const WeightedCrossEntropy<double>&);
template void weighted_cross_entropy_backward(OnCpu, bfloat16*, bfloat16*, const float*,
                                              const float*, const WeightedCrossEntropy<bfloat16>&);
template void weighted_cross_entropy_backward(OnCpu, float16*, float16*, const float*, const float*,
                                              const WeightedCrossEntropy<float16>&);

}  // namespace ripieno::kernels
