// Reductions: sums, means, variances, extremes, products and norms, over all elements or some axes.
//
// Without axes they reduce all elements to a scalar. With axes (one, or several as in {0, 2};
// negative: from the end) those are removed, or kept with size 1 if `keep`; with no axes, {}, each
// element is reduced alone, as in NumPy. Throws Error for an axis that does not exist or is given
// twice.
//
// x has a floating-point type; sum, product, max and min also take integers and bool, and give
// int64. Over no elements the sum is 0, the product 1, the mean NaN; max and min throw Error.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Axes& axes, bool keep = false);
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, const Axes& axes, bool keep = false);
Tensor product(const Tensor& x);
Tensor product(const Tensor& x, const Axes& axes, bool keep = false);

// NaN propagates. The gradient goes to the first of several equal extremes.
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, const Axes& axes, bool keep = false);
Tensor min(const Tensor& x);
Tensor min(const Tensor& x, const Axes& axes, bool keep = false);

// The sum of (x - mean)^2 divided by the number of elements minus `correction`, which is NaN or
// infinite if there are too few; and its square root, whose gradient at 0 is 0.
Tensor var(const Tensor& x);
Tensor var(const Tensor& x, const Axes& axes, double correction = 1.0, bool keep = false);
Tensor standard_deviation(const Tensor& x);
Tensor standard_deviation(const Tensor& x, const Axes& axes, double correction = 1.0,
                          bool keep = false);

// (sum |x|^p)^(1/p), for p = infinity the largest |x|. The gradient at 0 is 0. Throws Error unless
// p is positive.
Tensor norm(const Tensor& x);
Tensor norm(const Tensor& x, const Axes& axes, double p = 2.0, bool keep = false);

// log(sum exp(x)), without overflow; -infinity over no elements.
Tensor logsumexp(const Tensor& x, const Axes& axes, bool keep = false);

// Whether any element, or every element, is not 0; of any type, as a bool tensor. NaN is not 0.
Tensor any(const Tensor& x);
Tensor any(const Tensor& x, const Axes& axes, bool keep = false);
Tensor all(const Tensor& x);
Tensor all(const Tensor& x, const Axes& axes, bool keep = false);

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
