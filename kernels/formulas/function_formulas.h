// Element-wise functions of one tensor with up to two numbers, and of two tensors, with their
// derivatives, shared by the backends.
//
// Unlike those of elementwise_formulas.h they are chosen at run time within a kernel, so a formula
// costs few instructions and no kernel of its own.
#pragma once

#include <cmath>

#include "ripieno/kernels/formulas/formula.h"

// (Name, value, derivative), in x, y (the value at x) and the numbers p and q.
// clang-format off
#define RIPIENO_FUNCTION_FORMULAS(F)                                                              \
  F(Abs, std::fabs(x), sign_of(x))                                                                \
  F(Sign, sign_of(x), A(0))                                                                       \
  F(Floor, std::floor(x), A(0))                                                                   \
  F(Ceil, std::ceil(x), A(0))                                                                     \
  F(Round, std::nearbyint(x), A(0))                                                               \
  F(Truncate, std::trunc(x), A(0))                                                                \
  F(Exp2, std::exp2(x), y * A(0.69314718055994531))                                               \
  F(Expm1, std::expm1(x), y + A(1))                                                               \
  F(Log1p, std::log1p(x), A(1) / (A(1) + x))                                                      \
  F(Log2, std::log2(x), A(1.4426950408889634) / x)                                                \
  F(Log10, std::log10(x), A(0.43429448190325183) / x)                                             \
  F(ReciprocalSqrt, A(1) / std::sqrt(x), A(-0.5) * y / x)                                         \
  F(Tan, std::tan(x), A(1) + y * y)                                                               \
  F(Asin, std::asin(x), A(1) / std::sqrt((A(1) - x) * (A(1) + x)))                                \
  F(Acos, std::acos(x), A(-1) / std::sqrt((A(1) - x) * (A(1) + x)))                               \
  F(Atan, std::atan(x), A(1) / (A(1) + x * x))                                                    \
  F(Sinh, std::sinh(x), std::cosh(x))                                                             \
  F(Cosh, std::cosh(x), std::sinh(x))                                                             \
  F(Asinh, std::asinh(x), A(1) / std::sqrt(x * x + A(1)))                                         \
  F(Acosh, std::acosh(x), A(1) / std::sqrt((x - A(1)) * (x + A(1))))                              \
  F(Atanh, std::atanh(x), A(1) / ((A(1) - x) * (A(1) + x)))                                       \
  F(Erf, std::erf(x), A(1.1283791670955126) * Math::exp(-x * x))                                  \
  F(Erfc, std::erfc(x), A(-1.1283791670955126) * Math::exp(-x * x))                               \
  F(Power, std::pow(x, p), p == A(0) ? A(0) : p * std::pow(x, p - A(1)))                          \
  F(PowerOf, std::pow(p, x), p == A(0) && x >= A(0) ? A(0) : y * std::log(p))                     \
  F(Clamp, clamped(x, p, q), x < p || x > q ? A(0) : A(1))                                        \
  F(Sigmoid, logistic<Math>(x), y * (A(1) - y))                                                   \
  F(Silu, x * logistic<Math>(x), silu_derivative<Math>(x))                                        \
  F(Mish, x * tanh_of_softplus<Math>(x), mish_derivative<Math>(x))                                \
  F(Softplus, softplus_value<Math>(x * p) / p, logistic<Math>(x * p))                             \
  F(LeakyRelu, x > A(0) ? x : p * x, x > A(0) ? A(1) : p)                                         \
  F(Elu, x > A(0) ? x : p * std::expm1(x), x > A(0) ? A(1) : y + p)                               \
  F(HardSigmoid, clamped(x * A(1.0 / 6) + A(0.5), A(0), A(1)),                                    \
    x > A(-3) && x < A(3) ? A(1.0 / 6) : A(0))                                                    \
  F(HardSwish, x * clamped(x * A(1.0 / 6) + A(0.5), A(0), A(1)),                                  \
    x < A(-3) ? A(0) : x > A(3) ? A(1) : x * A(1.0 / 3) + A(0.5))                                 \
  F(SquaredRelu, x < A(0) ? A(0) : x * x, x > A(0) ? A(2) * x : A(0))

// (Name, value, derivative by a, derivative by b), in a, b, y (the value) and the number p.
#define RIPIENO_PAIR_FORMULAS(F)                                                                  \
  F(Maximum, a != a || a > b ? a : b, a > b ? A(1) : a == b ? A(0.5) : A(0),                      \
    b > a ? A(1) : a == b ? A(0.5) : A(0))                                                        \
  F(Minimum, a != a || a < b ? a : b, a < b ? A(1) : a == b ? A(0.5) : A(0),                      \
    b < a ? A(1) : a == b ? A(0.5) : A(0))                                                        \
  F(Power, std::pow(a, b), b == A(0) ? A(0) : b * std::pow(a, b - A(1)),                          \
    a == A(0) && b >= A(0) ? A(0) : y * std::log(a))                                              \
  F(Atan2, std::atan2(a, b), over_square(b, a, b), over_square(-a, a, b))                         \
  F(Remainder, floored_remainder(a, b), A(1), -std::floor(a / b))                                 \
  F(Fmod, std::fmod(a, b), A(1), -std::trunc(a / b))                                              \
  F(Lerp, a + p * (b - a), A(1) - p, p)                                                           \
  F(Prelu, a > A(0) ? a : b * a, a > A(0) ? A(1) : b, a > A(0) ? A(0) : a)                        \
  F(Glu, a * logistic<Math>(b), logistic<Math>(b), glu_gate_derivative<Math>(a, b))
// clang-format on

namespace ripieno::kernels {

enum class Function { RIPIENO_FUNCTION_FORMULAS(RIPIENO_FORMULA_ENUMERATOR) };
enum class Pair { RIPIENO_PAIR_FORMULAS(RIPIENO_FORMULA_ENUMERATOR) };

// A function of one tensor, with its numbers.
struct FunctionOf {
  Function function = Function::kAbs;
  double p = 0.0, q = 0.0;
};

namespace formulas {

// 0 of the same sign for 0, and NaN for NaN.
template <typename A>
RIPIENO_FORMULA A sign_of(A x) {
  return x > A(0) ? A(1) : x < A(0) ? A(-1) : x;
}
// NaN stays NaN.
template <typename A>
RIPIENO_FORMULA A clamped(A x, A low, A high) {
  const A raised = x < low ? low : x;
  return raised > high ? high : raised;
}
template <typename Math, typename A>
RIPIENO_FORMULA A logistic(A x) {
  return A(1) / (A(1) + Math::exp(-x));
}
template <typename Math, typename A>
RIPIENO_FORMULA A silu_derivative(A x) {
  const A share = logistic<Math>(x);
  return share * (A(1) + x * (A(1) - share));
}
// log(1 + exp(x)), without overflow.
template <typename Math, typename A>
RIPIENO_FORMULA A softplus_value(A x) {
  return (x < A(0) ? A(0) : x) + std::log1p(Math::exp(-std::fabs(x)));
}
// tanh(log(1 + exp(x))) = (e² + 2 e) / (e² + 2 e + 2), with e = exp(x), in terms that do not
// overflow.
template <typename Math, typename A>
RIPIENO_FORMULA A tanh_of_softplus(A x) {
  const A e = Math::exp(-std::fabs(x));
  return x < A(0) ? e * (e + A(2)) / (e * (e + A(2)) + A(2))
                  : (A(1) + A(2) * e) / (A(1) + A(2) * e + A(2) * e * e);
}
template <typename Math, typename A>
RIPIENO_FORMULA A mish_derivative(A x) {
  const A t = tanh_of_softplus<Math>(x);
  return t + x * (A(1) - t * t) * logistic<Math>(x);
}
template <typename Math, typename A>
RIPIENO_FORMULA A glu_gate_derivative(A a, A b) {
  const A share = logistic<Math>(b);
  return a * share * (A(1) - share);
}
// x / (a² + b²), and 0 where that is 0.
template <typename A>
RIPIENO_FORMULA A over_square(A x, A a, A b) {
  const A square = a * a + b * b;
  return square == A(0) ? A(0) : x / square;
}
// As Python's %: with the sign of b.
template <typename A>
RIPIENO_FORMULA A floored_remainder(A a, A b) {
  const A rest = std::fmod(a, b);
  return rest != A(0) && (rest < A(0)) != (b < A(0)) ? rest + b : rest;
}

// The formulas of one kind are in a namespace of their own, since names occur in both.
#define RIPIENO_FUNCTION_FORMULA(name, value_at_x, derivative_at_x)                   \
  template <typename Math>                                                            \
  struct name {                                                                       \
    template <typename A>                                                             \
    RIPIENO_FORMULA static A value(A x, [[maybe_unused]] A p, [[maybe_unused]] A q) { \
      return value_at_x;                                                              \
    }                                                                                 \
    template <typename A>                                                             \
    RIPIENO_FORMULA static A derivative([[maybe_unused]] A x, [[maybe_unused]] A p,   \
                                        [[maybe_unused]] A q) {                       \
      [[maybe_unused]] const A y = value(x, p, q);                                    \
      return derivative_at_x;                                                         \
    }                                                                                 \
  };
#define RIPIENO_PAIR_FORMULA(name, value_at_a_and_b, derivative_by_a_at, derivative_by_b_at) \
  template <typename Math>                                                                   \
  struct name {                                                                              \
    template <typename A>                                                                    \
    RIPIENO_FORMULA static A value(A a, A b, [[maybe_unused]] A p) {                         \
      return value_at_a_and_b;                                                               \
    }                                                                                        \
    template <typename A>                                                                    \
    RIPIENO_FORMULA static A derivative_by_a([[maybe_unused]] A a, [[maybe_unused]] A b,     \
                                             [[maybe_unused]] A p) {                         \
      [[maybe_unused]] const A y = value(a, b, p);                                           \
      return derivative_by_a_at;                                                             \
    }                                                                                        \
    template <typename A>                                                                    \
    RIPIENO_FORMULA static A derivative_by_b([[maybe_unused]] A a, [[maybe_unused]] A b,     \
                                             [[maybe_unused]] A p) {                         \
      [[maybe_unused]] const A y = value(a, b, p);                                           \
      return derivative_by_b_at;                                                             \
    }                                                                                        \
  };

namespace functions {
RIPIENO_FUNCTION_FORMULAS(RIPIENO_FUNCTION_FORMULA)
}  // namespace functions
namespace pairs {
RIPIENO_PAIR_FORMULAS(RIPIENO_PAIR_FORMULA)
}  // namespace pairs

// Calls body with the formula of an operation: on the host once per array, on a device once per
// element.
#define RIPIENO_FORMULA_FUNCTION_CASE(name, ...) \
  case Function::k##name:                        \
    return body(functions::name<Math>{});
#define RIPIENO_FORMULA_PAIR_CASE(name, ...) \
  case Pair::k##name:                        \
    return body(pairs::name<Math>{});

template <typename Math, typename Body>
RIPIENO_FORMULA auto with_function(Function function, Body body) {
  switch (function) { RIPIENO_FUNCTION_FORMULAS(RIPIENO_FORMULA_FUNCTION_CASE) }
  return body(functions::Abs<Math>{});  // never
}
template <typename Math, typename Body>
RIPIENO_FORMULA auto with_pair(Pair pair, Body body) {
  switch (pair) { RIPIENO_PAIR_FORMULAS(RIPIENO_FORMULA_PAIR_CASE) }
  return body(pairs::Maximum<Math>{});  // never
}

}  // namespace formulas
}  // namespace ripieno::kernels
