// The unary and binary operations as functions of one or two numbers.
#pragma once

#include <cmath>

#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::kernels::cpu {

struct Negate {
  template <typename A>
  static A value(A x) {
    return -x;
  }
  template <typename A>
  static A derivative(A) {
    return A(-1);
  }
};

struct Exp {
  template <typename A>
  static A value(A x) {
    return cpu::exp(x);
  }
  template <typename A>
  static A derivative(A x) {
    return cpu::exp(x);
  }
};

struct Log {
  template <typename A>
  static A value(A x) {
    return std::log(x);
  }
  template <typename A>
  static A derivative(A x) {
    return A(1) / x;
  }
};

struct Sqrt {
  template <typename A>
  static A value(A x) {
    return std::sqrt(x);
  }
  template <typename A>
  static A derivative(A x) {
    return A(0.5) / std::sqrt(x);
  }
};

struct Tanh {
  template <typename A>
  static A value(A x) {
    return cpu::tanh(x);
  }
  template <typename A>
  static A derivative(A x) {
    const A t = cpu::tanh(x);
    return A(1) - t * t;
  }
};

struct Square {
  template <typename A>
  static A value(A x) {
    return x * x;
  }
  template <typename A>
  static A derivative(A x) {
    return A(2) * x;
  }
};

struct Reciprocal {
  template <typename A>
  static A value(A x) {
    return A(1) / x;
  }
  template <typename A>
  static A derivative(A x) {
    return A(-1) / (x * x);
  }
};

// Calls body with the function that `op` names, so that loops are compiled for each.
template <typename Body>
void with_unary(Unary op, Body&& body) {
  switch (op) {
    case Unary::kNegate:
      return body(Negate{});
    case Unary::kExp:
      return body(Exp{});
    case Unary::kLog:
      return body(Log{});
    case Unary::kSqrt:
      return body(Sqrt{});
    case Unary::kTanh:
      return body(Tanh{});
    case Unary::kSquare:
      return body(Square{});
    case Unary::kReciprocal:
      return body(Reciprocal{});
  }
}

template <typename Body>
void with_binary(Binary op, Body&& body) {
  switch (op) {
    case Binary::kAdd:
      return body([](auto a, auto b) { return a + b; });
    case Binary::kSubtract:
      return body([](auto a, auto b) { return a - b; });
    case Binary::kMultiply:
      return body([](auto a, auto b) { return a * b; });
    case Binary::kDivide:
      return body([](auto a, auto b) { return a / b; });
  }
}

}  // namespace ripieno::kernels::cpu
