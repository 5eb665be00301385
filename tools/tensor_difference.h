// How far two tensors of the same shape are apart.
#pragma once

#include <cstdint>

#include "ripieno/core/tensor.h"

namespace ripieno::tools {

struct TensorDifference {
  bool is_bitwise_equal = false;  // and of the same element type
  int64_t differing = 0;          // elements a != b, and those of which one alone is not a number
  double largest = 0;             // max |a - b|; infinite where one alone is not a number
  double relative = 0;            // |a - b| / |a|, Euclidean norms; infinite where a is zero
};

// Dense, on the CPU, of any element types.
TensorDifference difference_of(const Tensor& a, const Tensor& b);

}  // namespace ripieno::tools
