// The activations as functions of one number, for loops and for the epilogue of matrix products.
#pragma once

#include <utility>

#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/cpu/support/math.h"

namespace ripieno::kernels::cpu {

struct Identity {
  template <typename A>
  static A value(A x) {
    return x;
  }
  template <typename A>
  static A derivative(A) {
    return A(1);
  }
};

struct Relu {
  template <typename A>
  static A value(A x) {
    return x < A(0) ? A(0) : x;  // NaN stays
  }
  template <typename A>
  static A derivative(A x) {
    return x > A(0) ? A(1) : A(0);
  }
};

struct Gelu {
  template <typename A>
  static A value(A x) {
    return A(0.5) * x * (A(1) + cpu::erf(x * A(0.70710678118654752)));
  }
  template <typename A>
  static A derivative(A x) {
    const A below = A(0.5) * (A(1) + cpu::erf(x * A(0.70710678118654752)));
    return below + x * A(0.39894228040143268) * cpu::exp(A(-0.5) * x * x);
  }
};

// 0.5 (1 + tanh(u)) is the logistic function of 2 u, which loses nothing where tanh(u) is near -1.
struct GeluTanh {
  template <typename A>
  static A value(A x) {
    return x * logistic(twice_inner(x));
  }
  template <typename A>
  static A derivative(A x) {
    const A share = logistic(twice_inner(x));
    const A slope = kTwiceScale<A> * (A(1) + A(3 * 0.044715) * x * x);
    return share + x * share * (A(1) - share) * slope;
  }

 private:
  template <typename A>
  static constexpr A kTwiceScale = A(1.5957691216057308);  // 2 sqrt(2 / pi)
  template <typename A>
  static A twice_inner(A x) {
    return kTwiceScale<A> * (x + A(0.044715) * x * x * x);
  }
  template <typename A>
  static A logistic(A x) {
    return A(1) / (A(1) + cpu::exp(-x));
  }
};

// Calls body with the function that `activation` names, so that loops are compiled for each.
template <typename Body>
void with_activation(Activation activation, Body&& body) {
  switch (activation) {
    case Activation::kNone:
      return body(Identity{});
    case Activation::kRelu:
      return body(Relu{});
    case Activation::kGelu:
      return body(Gelu{});
    case Activation::kGeluTanh:
      return body(GeluTanh{});
  }
}

}  // namespace ripieno::kernels::cpu
