// The order of numbers with NaN, and how integers are reduced, shared by the backends.
#pragma once

#include <cstdint>
#include <limits>

#include "ripieno/kernels/formulas/formula.h"

namespace ripieno::kernels {

enum class IntegerReduction { kSum, kProduct, kMaximum, kMinimum };

namespace formulas {

// Whether a comes before b in ascending order; NaN comes last.
template <typename A>
RIPIENO_FORMULA bool is_less(A a, A b) {
  return a < b || (b != b && a == a);
}
// Whether a is a larger extreme than b, or a smaller one if `least`; NaN is the most extreme.
template <typename A>
RIPIENO_FORMULA bool is_more_extreme(A a, A b, bool least) {
  return (least ? a < b : a > b) ? b == b : a != a && b == b;
}
template <typename A>
RIPIENO_FORMULA bool is_before(A a, A b, bool descending) {
  return descending ? is_less(b, a) : is_less(a, b);
}

RIPIENO_FORMULA int64_t identity_of(IntegerReduction reduction) {
  using enum IntegerReduction;
  switch (reduction) {
    case kSum:
      return 0;
    case kProduct:
      return 1;
    case kMaximum:
      return std::numeric_limits<int64_t>::min();
    case kMinimum:
      return std::numeric_limits<int64_t>::max();
  }
  return 0;  // never
}
RIPIENO_FORMULA int64_t combined(IntegerReduction reduction, int64_t a, int64_t b) {
  using enum IntegerReduction;
  const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  switch (reduction) {
    case kSum:
      return static_cast<int64_t>(x + y);
    case kProduct:
      return static_cast<int64_t>(x * y);
    case kMaximum:
      return a > b ? a : b;
    case kMinimum:
      return a < b ? a : b;
  }
  return a;  // never
}

}  // namespace formulas
}  // namespace ripieno::kernels
