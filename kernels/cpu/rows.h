// Reductions over one row, as softmax and the losses need them. Their order is fixed by the row's
// length alone.
#pragma once

#include <cstdint>
#include <limits>

#include "ripieno/kernels/cpu/math.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels::cpu {

// The largest element; -infinity of none. NaN may be passed over: the sum of exponentials finds it.
template <typename T>
accumulator_t<T> row_max(const T* row, int64_t cols) {
  using A = accumulator_t<T>;
  A largest = -std::numeric_limits<A>::infinity();
#pragma omp simd reduction(max : largest)
  for (int64_t c = 0; c < cols; ++c) largest = A(row[c]) > largest ? A(row[c]) : largest;
  return largest;
}

// sum of exp(row[c] - shift).
template <typename T>
accumulator_t<T> row_sum_of_exp(const T* row, int64_t cols, accumulator_t<T> shift) {
  using A = accumulator_t<T>;
  A sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < cols; ++c) sum += cpu::exp(A(row[c]) - shift);
  return sum;
}

}  // namespace ripieno::kernels::cpu
