#include "ripieno/core/ops/functions.h"

#include <fmt/format.h>

#include <cmath>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/broadcasting.h"
#include "ripieno/core/ops/compare.h"
#include "ripieno/core/ops/integers.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"

namespace ripieno {

namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::Function;
using kernels::FunctionOf;
using kernels::IntegerOperation;
using kernels::Pair;

}  // namespace

Tensor apply_function(const char* name, const Tensor& x, const FunctionOf& function) {
  require_defined(name, {{"x", x}});
  require_floating_point(name, x);
  const Tensor from = x.dense();
  Tensor result(x.shape(), x.dtype(), x.device());
  run({name, {&result, &x}, x.elements()}, x, [&]<typename T>(auto on) {
    kernels::function_forward(on, result.data<T>(), from.data<T>(), x.elements(), function);
  });
  return autograd::record(
      name, result, {&x},
      [x = Saved(from), function, name](const Tensor& gradient, Gradients& gradients) {
        Tensor back(x->shape(), x->dtype(), x->device());
        run({name, {&back, &gradient, &*x}}, *x, [&]<typename T>(auto on) {
          kernels::function_backward(on, back.data<T>(), gradient.data<T>(), x->data<T>(),
                                     x->elements(), function);
        });
        gradients.add(0, back);
      });
}

namespace {

// The gradient of one operand of a pair.
Tensor pair_gradient(const char* name, const Tensor& gradient, const Tensor& a, const Tensor& b,
                     Pair pair, bool by_b, double p) {
  const Tensor left = expanded_dense(a, gradient.shape());
  const Tensor right = expanded_dense(b, gradient.shape());
  Tensor back(gradient.shape(), gradient.dtype(), gradient.device());
  run({name, {&back, &gradient, &left, &right}}, gradient, [&]<typename T>(auto on) {
    kernels::pair_backward(on, back.data<T>(), gradient.data<T>(), left.data<T>(), right.data<T>(),
                           back.elements(), pair, by_b, p);
  });
  return sum_to(back, (by_b ? b : a).shape());
}

}  // namespace

Tensor apply_pair(const char* name, const Tensor& a, const Tensor& b, Pair pair, double p) {
  require_defined(name, {{"a", a}, {"b", b}});
  require_one_type(name, {{"a", a}, {"b", b}});
  require_floating_point(name, a);
  const Shape shape = broadcast_shape(name, a.shape(), b.shape());
  const Tensor left = expanded_dense(a, shape), right = expanded_dense(b, shape);
  Tensor result(shape, a.dtype(), a.device());
  run({name, {&result, &left, &right}, result.elements()}, a, [&]<typename T>(auto on) {
    kernels::pair_forward(on, result.data<T>(), left.data<T>(), right.data<T>(), result.elements(),
                          pair, p);
  });
  return autograd::record(
      name, result, {&a, &b},
      [a = Saved(a), b = Saved(b), pair, p, name](const Tensor& gradient, Gradients& gradients) {
        for (const int i : {0, 1}) {
          if (!gradients.wanted(i)) continue;
          gradients.add(i, pair_gradient(name, gradient, *a, *b, pair, i == 1, p));
        }
      });
}

namespace {

// A number as the second operand.
Tensor apply_pair(const char* name, const Tensor& a, double b, Pair pair) {
  require_defined(name, {{"a", a}});
  require_floating_point(name, a);
  return ripieno::apply_pair(name, a, number_like(name, a, b).reshape({}), pair);
}

}  // namespace

Tensor abs(const Tensor& x) {
  if (x.defined() && x.dtype() == DType::uint8) return x.clone();  // -x would wrap around
  if (are_integers(x)) return maximum(x, -x);
  return apply_function("abs", x, {Function::kAbs});
}
Tensor sign(const Tensor& x) {
  if (are_integers(x)) return (x > 0.0).to(x.dtype()) - (x < 0.0).to(x.dtype());
  return apply_function("sign", x, {Function::kSign});
}

Tensor floor(const Tensor& x) { return apply_function("floor", x, {Function::kFloor}); }
Tensor ceil(const Tensor& x) { return apply_function("ceil", x, {Function::kCeil}); }
Tensor round(const Tensor& x) { return apply_function("round", x, {Function::kRound}); }
Tensor truncate(const Tensor& x) { return apply_function("truncate", x, {Function::kTruncate}); }

Tensor exp2(const Tensor& x) { return apply_function("exp2", x, {Function::kExp2}); }
Tensor expm1(const Tensor& x) { return apply_function("expm1", x, {Function::kExpm1}); }
Tensor log1p(const Tensor& x) { return apply_function("log1p", x, {Function::kLog1p}); }
Tensor log2(const Tensor& x) { return apply_function("log2", x, {Function::kLog2}); }
Tensor log10(const Tensor& x) { return apply_function("log10", x, {Function::kLog10}); }
Tensor rsqrt(const Tensor& x) { return apply_function("rsqrt", x, {Function::kReciprocalSqrt}); }

Tensor pow(const Tensor& x, double exponent) {
  if (exponent == 2.0 && x.defined() && is_floating_point(x.dtype())) return square(x);
  return apply_function("pow", x, {Function::kPower, exponent});
}
Tensor pow(double base, const Tensor& exponent) {
  return apply_function("pow", exponent, {Function::kPowerOf, base});
}
Tensor pow(const Tensor& base, const Tensor& exponent) {
  return apply_pair("pow", base, exponent, Pair::kPower);
}

Tensor tan(const Tensor& x) { return apply_function("tan", x, {Function::kTan}); }
Tensor asin(const Tensor& x) { return apply_function("asin", x, {Function::kAsin}); }
Tensor acos(const Tensor& x) { return apply_function("acos", x, {Function::kAcos}); }
Tensor atan(const Tensor& x) { return apply_function("atan", x, {Function::kAtan}); }
Tensor sinh(const Tensor& x) { return apply_function("sinh", x, {Function::kSinh}); }
Tensor cosh(const Tensor& x) { return apply_function("cosh", x, {Function::kCosh}); }
Tensor asinh(const Tensor& x) { return apply_function("asinh", x, {Function::kAsinh}); }
Tensor acosh(const Tensor& x) { return apply_function("acosh", x, {Function::kAcosh}); }
Tensor atanh(const Tensor& x) { return apply_function("atanh", x, {Function::kAtanh}); }
Tensor atan2(const Tensor& y, const Tensor& x) { return apply_pair("atan2", y, x, Pair::kAtan2); }

Tensor erf(const Tensor& x) { return apply_function("erf", x, {Function::kErf}); }
Tensor erfc(const Tensor& x) { return apply_function("erfc", x, {Function::kErfc}); }

Tensor remainder(const Tensor& a, const Tensor& b) {
  if (are_integers(a)) return integer_operation("remainder", a, b, IntegerOperation::kRemainder);
  return apply_pair("remainder", a, b, Pair::kRemainder);
}
Tensor remainder(const Tensor& a, double b) {
  if (are_integers(a)) return integer_operation("remainder", a, b, IntegerOperation::kRemainder);
  return apply_pair("remainder", a, b, Pair::kRemainder);
}
Tensor fmod(const Tensor& a, const Tensor& b) { return apply_pair("fmod", a, b, Pair::kFmod); }
Tensor fmod(const Tensor& a, double b) { return apply_pair("fmod", a, b, Pair::kFmod); }
Tensor floor_divide(const Tensor& a, const Tensor& b) {
  return integer_operation("floor_divide", a, b, IntegerOperation::kFloorDivide);
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  if (are_integers(a)) return integer_operation("maximum", a, b, IntegerOperation::kMaximum);
  return apply_pair("maximum", a, b, Pair::kMaximum);
}
Tensor maximum(const Tensor& a, double b) {
  if (are_integers(a)) return integer_operation("maximum", a, b, IntegerOperation::kMaximum);
  return apply_pair("maximum", a, b, Pair::kMaximum);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  if (are_integers(a)) return integer_operation("minimum", a, b, IntegerOperation::kMinimum);
  return apply_pair("minimum", a, b, Pair::kMinimum);
}
Tensor minimum(const Tensor& a, double b) {
  if (are_integers(a)) return integer_operation("minimum", a, b, IntegerOperation::kMinimum);
  return apply_pair("minimum", a, b, Pair::kMinimum);
}

Tensor clamp(const Tensor& x, double low, double high) {
  if (std::isnan(low) || std::isnan(high)) {
    fail(fmt::format("clamp: the bounds are {} and {}; they must not be NaN", low, high));
  }
  if (are_integers(x)) {
    const auto bounded = [](const Tensor& y, double bound, IntegerOperation operation) {
      return integer_operation("clamp", y, bound, operation);
    };
    const Tensor raised =
        std::isinf(low) ? x.clone() : bounded(x, std::ceil(low), IntegerOperation::kMaximum);
    return std::isinf(high) ? raised
                            : bounded(raised, std::floor(high), IntegerOperation::kMinimum);
  }
  return apply_function("clamp", x, {Function::kClamp, low, high});
}

Tensor lerp(const Tensor& a, const Tensor& b, double weight) {
  return apply_pair("lerp", a, b, Pair::kLerp, weight);
}
Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight) { return a + weight * (b - a); }

}  // namespace ripieno
