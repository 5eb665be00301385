// All activation functions and their derivatives, shared by the backends.
#pragma once

#include "ripieno/kernels/formulas/formula.h"

// Gelu is the exact x Phi(x), where Phi is the normal distribution function; GeluTanh is its tanh
// approximation (Hendrycks and Gimpel, 2016), as in GPT-2. Relu propagates NaN.
// clang-format off
#define RIPIENO_ACTIVATION_FORMULAS(F)                                         \
  F(None, x, A(1))                                                             \
  F(Relu, x < A(0) ? A(0) : x, x > A(0) ? A(1) : A(0))                         \
  F(Gelu, A(0.5) * x * (A(1) + normal_erf<Math>(x)), gelu_derivative<Math>(x)) \
  F(GeluTanh, x * gelu_tanh_share<Math>(x), gelu_tanh_derivative<Math>(x))
// clang-format on

namespace ripieno::kernels {

enum class Activation { RIPIENO_ACTIVATION_FORMULAS(RIPIENO_FORMULA_ENUMERATOR) };

namespace formulas {

// 2 Phi(x) - 1.
template <typename Math, typename A>
RIPIENO_FORMULA A normal_erf(A x) {
  return Math::erf(x * A(0.70710678118654752));
}
template <typename Math, typename A>
RIPIENO_FORMULA A gelu_derivative(A x) {
  const A below = A(0.5) * (A(1) + normal_erf<Math>(x));
  return below + x * A(0.39894228040143268) * Math::exp(A(-0.5) * x * x);
}

template <typename A>
constexpr A kGeluTanhScale = A(1.5957691216057308);  // 2 sqrt(2 / pi)

// 0.5 (1 + tanh(u)), computed as logistic(2 u), which is accurate where tanh(u) is near -1.
template <typename Math, typename A>
RIPIENO_FORMULA A gelu_tanh_share(A x) {
  const A twice_u = kGeluTanhScale<A> * (x + A(0.044715) * x * x * x);
  return A(1) / (A(1) + Math::exp(-twice_u));
}
template <typename Math, typename A>
RIPIENO_FORMULA A gelu_tanh_derivative(A x) {
  const A share = gelu_tanh_share<Math>(x);
  const A slope = kGeluTanhScale<A> * (A(1) + A(3 * 0.044715) * x * x);
  return share + x * share * (A(1) - share) * slope;
}

RIPIENO_ACTIVATION_FORMULAS(RIPIENO_UNARY_FORMULA)

// Host only. Calls body with the formula of `activation`, so that loops and kernels are compiled
// separately for each formula.
template <typename Math, typename Body>
void with_activation(Activation activation, Body&& body) {
  using enum Activation;
  switch (activation) { RIPIENO_ACTIVATION_FORMULAS(RIPIENO_FORMULA_CASE) }
}

// Host or device: evaluates at run time, for kernels that are not compiled for each formula.
template <typename Math, typename... A>
RIPIENO_FORMULA auto value_of(Activation activation, A... numbers) {
  using enum Activation;
  switch (activation) { RIPIENO_ACTIVATION_FORMULAS(RIPIENO_FORMULA_VALUE_CASE) }
  return (numbers + ...);  // never
}

}  // namespace formulas
}  // namespace ripieno::kernels
