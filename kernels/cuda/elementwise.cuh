// Arithmetic on two numbers as a device function, for operands that are dense and for those that
// are not.
#pragma once

#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::kernels::cuda {

template <typename A>
__device__ A apply(Binary op, A a, A b) {
  switch (op) {
    case Binary::kAdd:
      return a + b;
    case Binary::kSubtract:
      return a - b;
    case Binary::kMultiply:
      return a * b;
    default:
      return a / b;
  }
}

}  // namespace ripieno::kernels::cuda
