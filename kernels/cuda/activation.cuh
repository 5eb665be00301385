// The activations as device functions, for the kernels that apply them on their way.
#pragma once

#include <cmath>

#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/cuda/device/device.cuh"

namespace ripieno::kernels::cuda {

// The argument of the tanh in the approximation of GELU, and its derivative.
template <typename A>
__device__ A gelu_tanh_argument(A x) {
  return A(0.7978845608028654) * (x + A(0.044715) * x * x * x);  // sqrt(2 / pi)
}
template <typename A>
__device__ A gelu_tanh_argument_slope(A x) {
  return A(0.7978845608028654) * (A(1) + A(3 * 0.044715) * x * x);
}

template <typename A>
__device__ A normal_distribution(A x) {
  return A(0.5) * (A(1) + std::erf(x * A(0.7071067811865476)));
}
template <typename A>
__device__ A normal_density(A x) {
  return A(0.3989422804014327) * std::exp(A(-0.5) * x * x);
}

template <typename A>
__device__ A activate(A x, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return x > A(0) ? x : x != x ? x : A(0);
    case Activation::kGelu:
      return x * normal_distribution(x);
    case Activation::kGeluTanh:
      return A(0.5) * x * (A(1) + std::tanh(gelu_tanh_argument(x)));
    default:
      return x;
  }
}

template <typename A>
__device__ A gelu_tanh_slope(A x) {
  const A t = std::tanh(gelu_tanh_argument(x));
  return A(0.5) * (A(1) + t) + A(0.5) * x * (A(1) - t * t) * gelu_tanh_argument_slope(x);
}

template <typename A>
__device__ A activation_slope(A x, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return x > A(0) ? A(1) : A(0);
    case Activation::kGelu:
      return normal_distribution(x) + x * normal_density(x);
    case Activation::kGeluTanh:
      return gelu_tanh_slope(x);
    default:
      return A(1);
  }
}

// On the host: calls body.operator()<activation>(), so that a kernel need not ask for each element.
template <typename Body>
void for_activation(Activation activation, Body body) {
  switch (activation) {
    case Activation::kRelu:
      return body.template operator()<Activation::kRelu>();
    case Activation::kGelu:
      return body.template operator()<Activation::kGelu>();
    case Activation::kGeluTanh:
      return body.template operator()<Activation::kGeluTanh>();
    default:
      return body.template operator()<Activation::kNone>();
  }
}

}  // namespace ripieno::kernels::cuda
