// Element-wise functions: rounding, powers, exponential, trigonometric and error functions, and
// functions of two tensors.
//
// x, a, b: tensors of a floating-point type; abs, sign, minimum, maximum and clamp also take int64,
// int32 and uint8. Two tensors must have the same type and device, and shapes that broadcast. The
// result is dense. Throws Error otherwise. Each has its gradient; those of steps are 0.
#pragma once

#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/tensor.h"
#include "ripieno/kernels/functions.h"

namespace ripieno {

// function(x), elementwise. `name`: the operation's name in messages.
Tensor apply_function(const char* name, const Tensor& x, const kernels::FunctionOf& function);
// pair(a, b), elementwise, with the number p.
Tensor apply_pair(const char* name, const Tensor& a, const Tensor& b, kernels::Pair pair,
                  double p = 0.0);

Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);  // NaN stays NaN

Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);  // halves to the even neighbor
Tensor truncate(const Tensor& x);

Tensor exp2(const Tensor& x);
Tensor expm1(const Tensor& x);  // exp(x) - 1
Tensor log1p(const Tensor& x);  // log(1 + x)
Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
Tensor rsqrt(const Tensor& x);  // 1 / sqrt(x)

Tensor pow(const Tensor& x, double exponent);
Tensor pow(double base, const Tensor& exponent);
Tensor pow(const Tensor& base, const Tensor& exponent);

Tensor tan(const Tensor& x);
Tensor asin(const Tensor& x);
Tensor acos(const Tensor& x);
Tensor atan(const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor asinh(const Tensor& x);
Tensor acosh(const Tensor& x);
Tensor atanh(const Tensor& x);
Tensor atan2(const Tensor& y, const Tensor& x);  // the angle of (x, y); its gradient at (0, 0) is 0

Tensor erf(const Tensor& x);
Tensor erfc(const Tensor& x);  // 1 - erf(x)

// a - b floor(a / b), which has the sign of b, as Python's %; and with the sign of a, as C's fmod.
Tensor remainder(const Tensor& a, const Tensor& b);
Tensor remainder(const Tensor& a, double b);
Tensor fmod(const Tensor& a, const Tensor& b);
Tensor fmod(const Tensor& a, double b);
// floor(a / b) of int64, int32 and uint8; division by 0 gives 0.
Tensor floor_divide(const Tensor& a, const Tensor& b);

// NaN propagates. Equal elements share the gradient.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor maximum(const Tensor& a, double b);
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, double b);
// min(max(x, low), high); an infinite bound is none. Throws Error if a bound is NaN.
Tensor clamp(const Tensor& x, double low, double high);
// a + weight (b - a).
Tensor lerp(const Tensor& a, const Tensor& b, double weight);
Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight);

}  // namespace ripieno
