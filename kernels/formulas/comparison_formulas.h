// Comparisons and the arithmetic of integers, shared by the backends.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "ripieno/kernels/formulas/formula.h"

namespace ripieno::kernels {

// The last three ignore b.
enum class Comparison {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAnd,  // of "is not zero", and so the next two
  kOr,
  kXor,
  kIsNan,
  kIsInfinite,
  kIsFinite
};

enum class IntegerOperation {
  kAdd,
  kSubtract,
  kMultiply,
  kFloorDivide,  // rounds toward minus infinity
  kRemainder,    // has the sign of b
  kMaximum,
  kMinimum
};

namespace formulas {

// A: float, double or an integer. Nothing here traps or overflows.
template <typename A>
RIPIENO_FORMULA bool compared(Comparison comparison, A a, A b) {
  using enum Comparison;
  switch (comparison) {
    case kEqual:
      return a == b;
    case kNotEqual:
      return a != b;
    case kLess:
      return a < b;
    case kLessEqual:
      return a <= b;
    case kGreater:
      return a > b;
    case kGreaterEqual:
      return a >= b;
    case kAnd:
      return a != A(0) && b != A(0);
    case kOr:
      return a != A(0) || b != A(0);
    case kXor:
      return (a != A(0)) != (b != A(0));
    case kIsNan:
      return a != a;
    case kIsInfinite:
      return std::numeric_limits<A>::has_infinity &&
             (a == std::numeric_limits<A>::infinity() || a == -std::numeric_limits<A>::infinity());
    case kIsFinite:
      return !std::numeric_limits<A>::has_infinity ||
             (a > -std::numeric_limits<A>::infinity() && a < std::numeric_limits<A>::infinity());
  }
  return false;  // never
}

template <typename T>
RIPIENO_FORMULA T integer_result(IntegerOperation op, T a, T b) {
  using enum IntegerOperation;
  using Wide = std::conditional_t<(sizeof(T) < 4), uint32_t, std::make_unsigned_t<T>>;
  switch (op) {
    case kAdd:
      return static_cast<T>(static_cast<Wide>(a) + static_cast<Wide>(b));
    case kSubtract:
      return static_cast<T>(static_cast<Wide>(a) - static_cast<Wide>(b));
    case kMultiply:
      return static_cast<T>(static_cast<Wide>(a) * static_cast<Wide>(b));
    case kFloorDivide: {
      if (b == T(0)) return T(0);
      if constexpr (std::is_signed_v<T>) {
        if (b == T(-1)) return static_cast<T>(Wide(0) - static_cast<Wide>(a));
        const T quotient = a / b;
        return a % b != 0 && (a < T(0)) != (b < T(0)) ? quotient - T(1) : quotient;
      } else {
        return static_cast<T>(a / b);
      }
    }
    case kRemainder: {
      if (b == T(0)) return a;
      if constexpr (std::is_signed_v<T>) {
        if (b == T(-1)) return T(0);
        const T rest = a % b;
        return rest != 0 && (rest < T(0)) != (b < T(0)) ? rest + b : rest;
      } else {
        return static_cast<T>(a % b);
      }
    }
    case kMaximum:
      return a > b ? a : b;
    case kMinimum:
      return a < b ? a : b;
  }
  return a;  // never
}

}  // namespace formulas
}  // namespace ripieno::kernels
