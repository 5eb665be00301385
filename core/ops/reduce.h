// Sums, means and maxima, over one axis or over everything.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// Over all elements: a scalar.
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);

// Over one axis (from the end where negative), which goes, or stays with size 1 where `keep`.
Tensor sum(const Tensor& x, int axis, bool keep = false);
Tensor mean(const Tensor& x, int axis, bool keep = false);
// Its gradient goes to the first of equal maxima.
Tensor max(const Tensor& x, int axis, bool keep = false);

// Sums `x` over the axes along which `shape` was broadcast to x's shape: the reverse of expand.
Tensor sum_to(const Tensor& x, const Shape& shape);

// What kernels::reduce works in, for x seen as (outer, axis, inner).
Tensor reduce_workspace(const Tensor& x, int64_t outer, int64_t axis, int64_t inner);

// out = the sum over the `rows` of x, dense, or that added to it; not recorded.   out: (…) of as
// many elements as a row has
void sum_rows_into(const Tensor& out, const Tensor& x, int64_t rows, bool accumulate);

}  // namespace ripieno
