// Arithmetic element by element, with NumPy's broadcasting, and elementary functions.
//
// Operands share an element type and a device; a number takes on the tensor's.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);

Tensor operator+(const Tensor& a, double b);
Tensor operator-(const Tensor& a, double b);
Tensor operator*(const Tensor& a, double b);
Tensor operator/(const Tensor& a, double b);
Tensor operator+(double a, const Tensor& b);
Tensor operator-(double a, const Tensor& b);
Tensor operator*(double a, const Tensor& b);
Tensor operator/(double a, const Tensor& b);

Tensor operator-(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor square(const Tensor& x);
Tensor reciprocal(const Tensor& x);

// The shape that `a` and `b` broadcast to. Throws Error where they do not.
Shape broadcast(const Shape& a, const Shape& b);

// target += x, in place and not recorded. Both dense, of one shape and element type.
void add_into(const Tensor& target, const Tensor& x);

}  // namespace ripieno
