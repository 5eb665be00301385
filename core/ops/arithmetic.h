// Elementwise arithmetic with NumPy's broadcasting, and elementary functions.
//
// Operands must have the same element type and device, and shapes that broadcast; throws Error
// otherwise. A number is used in the tensor's element type. Results are dense.
//
// + - * also take int64, int32 and uint8, whose results wrap around; / converts integers to float32
// first. A number must then be an integer. The elementary functions require floating point.
#pragma once

#include "ripieno/core/add_into.h"
#include "ripieno/core/ops/compare.h"
#include "ripieno/core/tensor.h"
#include "ripieno/kernels/elementwise.h"

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

// op(x), elementwise, with its gradient. `name`: the operation's name in messages.
Tensor unary(const char* name, const Tensor& x, kernels::Unary op);
inline Tensor exp(const Tensor& x) { return unary("exp", x, kernels::Unary::kExp); }
inline Tensor log(const Tensor& x) { return unary("log", x, kernels::Unary::kLog); }
inline Tensor sqrt(const Tensor& x) { return unary("sqrt", x, kernels::Unary::kSqrt); }
inline Tensor tanh(const Tensor& x) { return unary("tanh", x, kernels::Unary::kTanh); }
inline Tensor sin(const Tensor& x) { return unary("sin", x, kernels::Unary::kSin); }
inline Tensor cos(const Tensor& x) { return unary("cos", x, kernels::Unary::kCos); }
inline Tensor square(const Tensor& x) { return unary("square", x, kernels::Unary::kSquare); }
inline Tensor reciprocal(const Tensor& x) {
  return unary("reciprocal", x, kernels::Unary::kReciprocal);
}

// The shape that `a` and `b` broadcast to: axes are aligned from the last, and must be equal or 1.
// Throws Error otherwise.
Shape broadcast(const Shape& a, const Shape& b);

}  // namespace ripieno
