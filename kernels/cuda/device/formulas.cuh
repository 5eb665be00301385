// Formulas (kernels/formulas) on a GPU: their elementary functions, and functors for map(). Private
// to kernels/cuda.
#pragma once

#include <cmath>

#include "ripieno/kernels/cuda/device/device.cuh"

namespace ripieno::kernels::cuda {

// The functions that formulas use on a GPU.
struct Math {
  template <typename A>
  __device__ static A exp(A x) {
    return std::exp(x);
  }
  template <typename A>
  __device__ static A tanh(A x) {
    return std::tanh(x);
  }
  template <typename A>
  __device__ static A erf(A x) {
    return std::erf(x);
  }
  template <typename A>
  __device__ static A log(A x) {
    return std::log(x);
  }
  template <typename A>
  __device__ static A sqrt(A x) {
    return std::sqrt(x);
  }
  template <typename A>
  __device__ static A sin(A x) {
    return std::sin(x);
  }
  template <typename A>
  __device__ static A cos(A x) {
    return std::cos(x);
  }
};

// formula(in...), rounded to T.
template <typename T, typename Formula>
struct Value {
  template <typename... In>
  __device__ T operator()(In... in) const {
    return narrow<T>(Formula::value(widen(in)...));
  }
};

// gradient * formula'(x), rounded to T.
template <typename T, typename Formula>
struct TimesDerivative {
  __device__ T operator()(T gradient, T x) const {
    return narrow<T>(widen(gradient) * Formula::derivative(widen(x)));
  }
};

}  // namespace ripieno::kernels::cuda
