// Reductions over one row. The order of operations depends only on the length of the row, on all
// CPU levels.
#pragma once

#include <cstdint>
#include <limits>

#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels::cpu {

// Combines term(c) for c in [0, cols); `empty` if there are none. Uses 32 lanes, so that it
// vectorizes, and then combines the lanes pairwise.
template <typename A, typename Combine, typename Term>
inline A reduce_row(int64_t cols, A empty, Combine combine, Term term) {
  constexpr int64_t kLanes = 32;
  A lanes[kLanes];
  for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] = empty;
  int64_t c = 0;
  for (; c + kLanes <= cols; c += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = combine(lanes[lane], term(c + lane));
    }
  }
  for (int64_t lane = 0; c + lane < cols; ++lane) {
    lanes[lane] = combine(lanes[lane], term(c + lane));
  }
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t lane = 0; lane < half; ++lane) {
      lanes[lane] = combine(lanes[lane], lanes[lane + half]);
    }
  }
  return lanes[0];
}

template <typename A, typename Term>
inline A row_sum(int64_t cols, Term term) {
  return reduce_row(
      cols, A(0), [](A a, A b) { return a + b; }, term);
}

// The largest element; -infinity if there are none. May miss a NaN; the sum of exponentials then is
// NaN.
template <typename T>
accumulator_t<T> row_max(const T* row, int64_t cols) {
  using A = accumulator_t<T>;
  return reduce_row(
      cols, -std::numeric_limits<A>::infinity(), [](A a, A b) { return b > a ? b : a; },
      [row](int64_t c) { return A(row[c]); });
}

// Sum of exp(row[c] - shift).
template <typename T>
accumulator_t<T> row_sum_of_exp(const T* row, int64_t cols, accumulator_t<T> shift) {
  using A = accumulator_t<T>;
  return row_sum<A>(cols, [row, shift](int64_t c) { return cpu::exp(A(row[c]) - shift); });
}

}  // namespace ripieno::kernels::cpu
