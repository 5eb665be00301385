// Sums, means and maxima, over one axis or over all elements. Tensors have a floating-point type.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// Over all elements; the result is a scalar.
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);

// Over one axis (negative: from the end), which is removed, or kept with size 1 if `keep`. Throws
// Error if there is no such axis.
Tensor sum(const Tensor& x, int axis, bool keep = false);
Tensor mean(const Tensor& x, int axis, bool keep = false);
// The gradient goes to the first of several equal maxima.
Tensor max(const Tensor& x, int axis, bool keep = false);

// Sums `x` over the axes along which `shape` was broadcast to x.shape(): the gradient of expand.
// Throws Error if `shape` cannot be broadcast to x.shape().
Tensor sum_to(const Tensor& x, const Shape& shape);

// The workspace of kernels::reduce for x viewed as (outer, axis, inner), on its device. Throws
// Error if x cannot be viewed so.
Tensor reduce_workspace(const Tensor& x, int64_t outer, int64_t axis, int64_t inner);

// out = the sum over the rows of x, or added to out if `accumulate`; not recorded. x: dense, viewed
// as (rows, out.elements()); out: dense, of any shape, and of x's type and device. Throws Error for
// others.
void sum_rows_into(const Tensor& out, const Tensor& x, int64_t rows, bool accumulate);

}  // namespace ripieno
