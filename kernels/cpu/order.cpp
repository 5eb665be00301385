#include "ripieno/kernels/order.h"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {
namespace {

template <typename T>
auto number(T value) {
  if constexpr (sizeof(T) == 2) {
    return static_cast<float>(value);
  } else {
    return value;
  }
}

// The type in which sums of T are computed: in float, a long sum would stop at 2^24 times an
// element. Integers wrap around.
template <typename T>
using sum_t = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;

}  // namespace

template <typename T>
std::size_t sort_rows_workspace(OnCpu, int64_t, int64_t) {
  return 0;
}

template <typename T>
void sort_rows(OnCpu, T* values, int64_t* order, void* /*workspace*/, const T* in, int64_t rows,
               int64_t cols, bool descending) {
  cpu::for_each_row(rows, 16 * cols, [&](int64_t r) {
    const T* const row = in + r * cols;
    int64_t* const indices = order + r * cols;
    std::iota(indices, indices + cols, int64_t{0});
    std::stable_sort(indices, indices + cols, [&](int64_t a, int64_t b) {
      return formulas::is_before(number(row[a]), number(row[b]), descending);
    });
    for (int64_t c = 0; c < cols; ++c) values[r * cols + c] = row[indices[c]];
  });
}

template <typename T>
void argument_of_extreme(OnCpu, int64_t* out, const T* in, const ReduceShape& shape, bool least) {
  const int64_t axis = shape.axis, inner = shape.inner;
  cpu::parallel_for(shape.outer * inner, axis, [&](int64_t output) {
    const T* const x = in + output / inner * axis * inner + output % inner;
    int64_t best = 0;
    for (int64_t a = 1; a < axis; ++a) {
      if (formulas::is_more_extreme(number(x[a * inner]), number(x[best * inner]), least)) best = a;
    }
    out[output] = best;
  });
}

template <typename T>
void cumulative_sum(OnCpu, T* out, const T* in, const ReduceShape& shape, bool reverse) {
  const int64_t axis = shape.axis, inner = shape.inner;
  cpu::parallel_for(shape.outer * inner, axis, [&](int64_t line) {
    const int64_t first = line / inner * axis * inner + line % inner;
    sum_t<T> sum = 0;
    for (int64_t k = 0; k < axis; ++k) {
      const int64_t at = first + (reverse ? axis - 1 - k : k) * inner;
      if constexpr (std::is_integral_v<T>) {
        sum += static_cast<uint64_t>(in[at]);
        out[at] = static_cast<T>(sum);
      } else {
        sum += static_cast<accumulator_t<T>>(in[at]);
        out[at] = T(static_cast<accumulator_t<T>>(sum));
      }
    }
  });
}

void reduce_integers(OnCpu, int64_t* out, const int64_t* in, const ReduceShape& shape,
                     IntegerReduction reduction) {
  const int64_t axis = shape.axis, inner = shape.inner;
  cpu::parallel_for(shape.outer * inner, axis, [&](int64_t output) {
    const int64_t* const x = in + output / inner * axis * inner + output % inner;
    int64_t result = formulas::identity_of(reduction);
    for (int64_t a = 0; a < axis; ++a) {
      result = formulas::combined(reduction, result, x[a * inner]);
    }
    out[output] = result;
  });
}

#define RIPIENO_ORDER(T)                                                                 \
  template std::size_t sort_rows_workspace<T>(OnCpu, int64_t, int64_t);                  \
  template void sort_rows(OnCpu, T*, int64_t*, void*, const T*, int64_t, int64_t, bool); \
  template void argument_of_extreme(OnCpu, int64_t*, const T*, const ReduceShape&, bool)
#define RIPIENO_CUMULATIVE_SUM(T) \
  template void cumulative_sum(OnCpu, T*, const T*, const ReduceShape&, bool)

RIPIENO_ORDER(float);
RIPIENO_ORDER(double);
RIPIENO_ORDER(bfloat16);
RIPIENO_ORDER(float16);
RIPIENO_ORDER(int64_t);
RIPIENO_ORDER(int32_t);
RIPIENO_ORDER(uint8_t);
RIPIENO_CUMULATIVE_SUM(float);
RIPIENO_CUMULATIVE_SUM(double);
RIPIENO_CUMULATIVE_SUM(bfloat16);
RIPIENO_CUMULATIVE_SUM(float16);
RIPIENO_CUMULATIVE_SUM(int64_t);

#undef RIPIENO_ORDER
#undef RIPIENO_CUMULATIVE_SUM

}  // namespace ripieno::kernels
