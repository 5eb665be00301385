// TensorDifference: how much two tensors of the same shape differ.
#pragma once

#include <cstdint>

#include "ripieno/core/tensor.h"

namespace ripieno::tools {

struct TensorDifference {
  bool is_bitwise_equal = false;  // and of the same element type
  int64_t differing = 0;          // elements with a != b, or with NaN in only one of them
  double largest = 0;             // max |a - b|; infinite if an element is NaN in only one of them
  double relative = 0;            // |a - b| / |a|, Euclidean norms; infinite if a is zero
};

// `a` and `b`: contiguous, on the CPU, of any element types. Throws Error if the shapes differ.
TensorDifference difference_of(const Tensor& a, const Tensor& b);

}  // namespace ripieno::tools
