// Sorting, the largest elements, the positions of extremes, and cumulative sums, along one axis.
//
// x: of any type but bool. NaN counts as larger than every number; of equal elements the one that
// comes first in x comes first. Positions are int64. Negative axes count from the end; throws Error
// if there is no such axis.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// The elements along an axis in order, and where each was. The gradient goes back there.
struct Sorted {
  Tensor values, indices;
};
Sorted sort(const Tensor& x, int axis = -1, bool descending = false);
// The indices alone.
Tensor argsort(const Tensor& x, int axis = -1, bool descending = false);

// The `count` largest elements, in descending order, or the smallest in ascending order. Throws
// Error if the axis has fewer.
Sorted top_k(const Tensor& x, int64_t count, int axis = -1, bool largest = true);

// The position of the largest or smallest element along an axis, which is removed, or kept with
// size 1 if `keep`; or in the flattened tensor. Of equal elements the first counts, and NaN as both
// extremes. Throws Error if there is no element.
Tensor argmax(const Tensor& x, int axis, bool keep = false);
Tensor argmin(const Tensor& x, int axis, bool keep = false);
Tensor argmax(const Tensor& x);
Tensor argmin(const Tensor& x);

// The sum of the elements up to each. Integers give int64. Has a gradient.
Tensor cumsum(const Tensor& x, int axis);

}  // namespace ripieno
