// Comparison, logic, and selection by a condition.
//
// Two tensors must have the same element type and device, and shapes that broadcast; throws Error
// otherwise. A number is compared with the elements without rounding. Results are bool tensors
// without a gradient; NaN is not equal to anything.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

Tensor operator==(const Tensor& a, const Tensor& b);
Tensor operator!=(const Tensor& a, const Tensor& b);
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);

Tensor operator==(const Tensor& a, double b);
Tensor operator!=(const Tensor& a, double b);
Tensor operator<(const Tensor& a, double b);
Tensor operator<=(const Tensor& a, double b);
Tensor operator>(const Tensor& a, double b);
Tensor operator>=(const Tensor& a, double b);

Tensor operator==(double a, const Tensor& b);
Tensor operator!=(double a, const Tensor& b);
Tensor operator<(double a, const Tensor& b);
Tensor operator<=(double a, const Tensor& b);
Tensor operator>(double a, const Tensor& b);
Tensor operator>=(double a, const Tensor& b);

// Of any type; an element that is not 0 is true.
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& x);

Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);

// condition ? a : b, elementwise. condition: of any type, where an element that is not 0 is true;
// a, b: of one type, or one of them a number. All are broadcast. The gradient goes to the element
// that was taken.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, double b);
Tensor where(const Tensor& condition, double a, const Tensor& b);

// x with `value` where the mask is true. The mask is broadcast to the shape of x; throws Error if
// it cannot be.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

}  // namespace ripieno
