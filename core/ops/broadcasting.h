// What element-wise operations do with their operands. For operations within core.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// x expanded to `shape`, dense; not recorded.
Tensor expanded_dense(const Tensor& x, const Shape& shape);

// The shape that the operands of an operation broadcast to. Throws Error, naming the operation and
// both shapes, if there is none.
Shape broadcast_shape(const char* operation, const Shape& a, const Shape& b);

// Whether a tensor of that type can hold the number exactly; NaN counts as a number.
bool can_hold(DType dtype, double number);

// A tensor of one element, on x's device, of x's type. Throws Error if x is of an integer type and
// the number is not an integer that it can hold.
Tensor number_like(const char* operation, const Tensor& x, double number);

// Whether x is defined, and of an integer type or bool.
bool are_integers(const Tensor& x);

// Throws Error unless x is of a floating-point type.
void require_floating_point(const char* operation, const Tensor& x);

}  // namespace ripieno
