// All unary and binary element-wise operations and their derivatives, shared by the backends.
#pragma once

#include "ripieno/kernels/formulas/formula.h"

// clang-format off
#define RIPIENO_UNARY_FORMULAS(F)      \
  F(Negate, -x, A(-1))                 \
  F(Exp, Math::exp(x), y)              \
  F(Log, Math::log(x), A(1) / x)       \
  F(Sqrt, Math::sqrt(x), A(0.5) / y)   \
  F(Tanh, Math::tanh(x), A(1) - y * y) \
  F(Sin, Math::sin(x), Math::cos(x))   \
  F(Cos, Math::cos(x), -Math::sin(x))  \
  F(Square, x * x, A(2) * x)           \
  F(Reciprocal, A(1) / x, A(-1) / (x * x))

#define RIPIENO_BINARY_FORMULAS(F) \
  F(Add, a + b)                    \
  F(Subtract, a - b)               \
  F(Multiply, a * b)               \
  F(Divide, a / b)
// clang-format on

namespace ripieno::kernels {

enum class Unary { RIPIENO_UNARY_FORMULAS(RIPIENO_FORMULA_ENUMERATOR) };
enum class Binary { RIPIENO_BINARY_FORMULAS(RIPIENO_FORMULA_ENUMERATOR) };

namespace formulas {

RIPIENO_UNARY_FORMULAS(RIPIENO_UNARY_FORMULA)
RIPIENO_BINARY_FORMULAS(RIPIENO_BINARY_FORMULA)

// Host only. Calls body with the formula of `op`, so that loops and kernels are compiled separately
// for each formula.
template <typename Math, typename Body>
void with_unary(Unary op, Body&& body) {
  using enum Unary;
  switch (op) { RIPIENO_UNARY_FORMULAS(RIPIENO_FORMULA_CASE) }
}
template <typename Math, typename Body>
void with_binary(Binary op, Body&& body) {
  using enum Binary;
  switch (op) { RIPIENO_BINARY_FORMULAS(RIPIENO_FORMULA_CASE) }
}

// Host or device: evaluates at run time, for kernels that are not compiled for each formula.
template <typename Math, typename... A>
RIPIENO_FORMULA auto value_of(Binary op, A... numbers) {
  using enum Binary;
  switch (op) { RIPIENO_BINARY_FORMULAS(RIPIENO_FORMULA_VALUE_CASE) }
  return (numbers + ...);  // never
}

}  // namespace formulas
}  // namespace ripieno::kernels
