#include "ripieno/kernels/cosine_similarity.h"

#include <algorithm>
#include <cmath>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/rows.h"
#include "ripieno/kernels/formulas/cosine_formulas.h"

namespace ripieno::kernels {
namespace {

template <typename T>
accumulator_t<T> product(const T* a, const T* b, int64_t size) {
  using A = accumulator_t<T>;
  return cpu::row_sum<A>(size, [=](int64_t c) { return A(a[c]) * A(b[c]); });
}

}  // namespace

template <typename T>
void cosine_similarity_forward(OnCpu, T* cosines, accumulator_t<T>* statistics,
                               const RowPairs<T>& pairs) {
  using A = accumulator_t<T>;
  const A smallest = A(pairs.smallest);
  cpu::for_each_row(pairs.rows, 3 * pairs.columns, [=](int64_t r) {
    const T *const a = pairs.a + r * pairs.columns, *const b = pairs.b + r * pairs.columns;
    const A of_a = std::sqrt(product(a, a, pairs.columns));
    const A of_b = std::sqrt(product(b, b, pairs.columns));
    const A cosine =
        product(a, b, pairs.columns) / (std::max(of_a, smallest) * std::max(of_b, smallest));
    statistics[3 * r] = of_a;
    statistics[3 * r + 1] = of_b;
    statistics[3 * r + 2] = cosine;
    cosines[r] = T(cosine);
  });
}

template <typename T>
void cosine_similarity_backward(OnCpu, T* grad_a, T* grad_b, const T* grad_cosines,
                                const accumulator_t<T>* statistics, const RowPairs<T>& pairs) {
  using A = accumulator_t<T>;
  const A smallest = A(pairs.smallest);
  cpu::for_each_row(pairs.rows, 4 * pairs.columns, [=](int64_t r) {
    const A *const of = statistics + 3 * r, scale = A(grad_cosines[r]);
    for (int64_t i = r * pairs.columns; i < (r + 1) * pairs.columns; ++i) {
      const A x = A(pairs.a[i]), y = A(pairs.b[i]);
      if (grad_a)
        grad_a[i] = T(scale * formulas::cosine_derivative(x, y, of[0], of[1], of[2], smallest));
      if (grad_b)
        grad_b[i] = T(scale * formulas::cosine_derivative(y, x, of[1], of[0], of[2], smallest));
    }
  });
}

template void cosine_similarity_forward(OnCpu, float*, float*, const RowPairs<float>&);
template void cosine_similarity_forward(OnCpu, double*, double*, const RowPairs<double>&);
template void cosine_similarity_forward(OnCpu, bfloat16*, float*, const RowPairs<bfloat16>&);
template void cosine_similarity_forward(OnCpu, float16*, float*, const RowPairs<float16>&);

template void cosine_similarity_backward(OnCpu, float*, float*, const float*, const float*,
                                         const RowPairs<float>&);
template void cosine_similarity_backward(OnCpu, double*, double*, const double*, const double*,
                                         const RowPairs<double>&);
template void cosine_similarity_backward(OnCpu, bfloat16*, bfloat16*, const bfloat16*, const float*,
                                         const RowPairs<bfloat16>&);
template void cosine_similarity_backward(OnCpu, float16*, float16*, const float16*, const float*,
                                         const RowPairs<float16>&);

}  // namespace ripieno::kernels
