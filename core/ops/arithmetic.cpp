#include "ripieno/core/ops/arithmetic.h"

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/broadcasting.h"
#include "ripieno/core/ops/integers.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::Binary;
using kernels::IntegerOperation;
using kernels::Unary;

void check_operands(const char* name, const Tensor& a, const Tensor& b) {
  require_defined(name, {{"a", a}, {"b", b}});
  require_one_type(name, {{"a", a}, {"b", b}});
}

// The strides that read `x` as if expanded to `shape`: 0 along the axes that it repeats on.
void broadcast_strides(int64_t* strides, const Tensor& x, const Shape& shape) {
  const int added = shape.rank() - x.rank();
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const int from = axis - added;
    strides[axis] = from < 0 || x.shape()[from] == 1 ? 0 : x.strides()[from];
  }
}

Tensor apply(const char* name, const Tensor& a, const Tensor& b, Binary op) {
  check_operands(name, a, b);
  const Shape shape = broadcast_shape(name, a.shape(), b.shape());
  Tensor result(shape, a.dtype(), a.device());
  if (result.elements() == 0) return result;
  run({name, {&result, &a, &b}, result.elements()}, a, [&]<typename T>(auto on) {
    if (a.is_dense() && b.is_dense() && a.shape() == b.shape()) {
      kernels::binary(on, result.data<T>(), a.data<T>(), b.data<T>(), a.elements(), op);
      return;
    }
    kernels::StridedShape strided;
    strided.rank = shape.rank();
    std::copy(shape.begin(), shape.end(), strided.sizes);
    broadcast_strides(strided.strides_a, a, shape);
    broadcast_strides(strided.strides_b, b, shape);
    kernels::binary_strided(on, result.data<T>(), a.data<T>(), b.data<T>(), strided, op);
  });
  return result;
}

Tensor affine(const char* name, const Tensor& x, double scale, double shift) {
  require_defined(name, {{"x", x}});
  require_floating_point(name, x);
  const Tensor from = x.dense();
  Tensor result(x.shape(), x.dtype(), x.device());
  run({name, {&result, &x}, x.elements()}, x, [&]<typename T>(auto on) {
    kernels::affine(on, result.data<T>(), from.data<T>(), x.elements(), scale, shift);
  });
  return autograd::record(name, result, {&x},
                          [scale](const Tensor& gradient, Gradients& gradients) {
                            gradients.add(0, scale == 1.0 ? gradient : gradient * scale);
                          });
}

Tensor apply(const char* name, const Tensor& x, Unary op) {
  require_defined(name, {{"x", x}});
  require_floating_point(name, x);
  const Tensor from = x.dense();
  Tensor result(x.shape(), x.dtype(), x.device());
  run({name, {&result, &x}, x.elements()}, x, [&]<typename T>(auto on) {
    kernels::unary(on, result.data<T>(), from.data<T>(), x.elements(), op);
  });
  return autograd::record(
      name, result, {&x},
      [x = Saved(from), op, name](const Tensor& gradient, Gradients& gradients) {
        Tensor back(x->shape(), x->dtype(), x->device());
        run({name, {&back, &gradient, &*x}}, *x, [&]<typename T>(auto on) {
          kernels::unary_backward(on, back.data<T>(), gradient.data<T>(), x->data<T>(),
                                  x->elements(), op);
        });
        gradients.add(0, back);
      });
}

// Integers as float32, for division.
Tensor as_numbers(const Tensor& x) { return are_integers(x) ? x.to(DType::float32) : x; }

}  // namespace

Shape broadcast(const Shape& a, const Shape& b) { return broadcast_shape("broadcast", a, b); }

Tensor operator+(const Tensor& a, const Tensor& b) {
  if (are_integers(a)) return integer_operation("add", a, b, IntegerOperation::kAdd);
  const Tensor result = apply("add", a, b, Binary::kAdd);
  return autograd::record(
      "add", result, {&a, &b},
      [a = a.shape(), b = b.shape()](const Tensor& gradient, Gradients& gradients) {
        if (gradients.wanted(0)) gradients.add(0, sum_to(gradient, a));
        if (gradients.wanted(1)) gradients.add(1, sum_to(gradient, b));
      });
}

Tensor operator-(const Tensor& a, const Tensor& b) {
  if (are_integers(a)) return integer_operation("subtract", a, b, IntegerOperation::kSubtract);
  const Tensor result = apply("subtract", a, b, Binary::kSubtract);
  return autograd::record(
      "subtract", result, {&a, &b},
      [a = a.shape(), b = b.shape()](const Tensor& gradient, Gradients& gradients) {
        if (gradients.wanted(0)) gradients.add(0, sum_to(gradient, a));
        if (gradients.wanted(1)) gradients.add(1, sum_to(-gradient, b));
      });
}

Tensor operator*(const Tensor& a, const Tensor& b) {
  if (are_integers(a)) return integer_operation("multiply", a, b, IntegerOperation::kMultiply);
  const Tensor result = apply("multiply", a, b, Binary::kMultiply);
  return autograd::record("multiply", result, {&a, &b},
                          [a = Saved(a), b = Saved(b), of_a = a.shape(), of_b = b.shape()](
                              const Tensor& gradient, Gradients& gradients) {
                            if (gradients.wanted(0)) gradients.add(0, sum_to(gradient * *b, of_a));
                            if (gradients.wanted(1)) gradients.add(1, sum_to(gradient * *a, of_b));
                          });
}

Tensor operator/(const Tensor& a_, const Tensor& b_) {
  check_operands("divide", a_, b_);
  const Tensor a = as_numbers(a_), b = as_numbers(b_);
  const Tensor result = apply("divide", a, b, Binary::kDivide);
  return autograd::record("divide", result, {&a, &b},
                          [a = Saved(a), b = Saved(b), of_a = a.shape(), of_b = b.shape()](
                              const Tensor& gradient, Gradients& gradients) {
                            const Tensor quotient = gradient / *b;
                            if (gradients.wanted(0)) gradients.add(0, sum_to(quotient, of_a));
                            if (gradients.wanted(1))
                              gradients.add(1, sum_to(-(quotient * *a / *b), of_b));
                          });
}

Tensor operator+(const Tensor& a, double b) {
  if (are_integers(a)) return integer_operation("add", a, b, IntegerOperation::kAdd);
  return affine("add", a, 1.0, b);
}
Tensor operator-(const Tensor& a, double b) {
  if (are_integers(a)) return integer_operation("subtract", a, b, IntegerOperation::kSubtract);
  return affine("subtract", a, 1.0, -b);
}
Tensor operator*(const Tensor& a, double b) {
  if (are_integers(a)) return integer_operation("multiply", a, b, IntegerOperation::kMultiply);
  return affine("multiply", a, b, 0.0);
}
Tensor operator/(const Tensor& a, double b) {
  return affine("divide", as_numbers(a), 1.0 / b, 0.0);
}
Tensor operator+(double a, const Tensor& b) { return b + a; }
Tensor operator-(double a, const Tensor& b) {
  if (are_integers(b)) {
    return integer_operation("subtract", number_like("subtract", b, a), b,
                             IntegerOperation::kSubtract);
  }
  return affine("subtract", b, -1.0, a);
}
Tensor operator*(double a, const Tensor& b) { return b * a; }
Tensor operator/(double a, const Tensor& b) { return reciprocal(as_numbers(b)) * a; }

Tensor operator-(const Tensor& x) {
  if (are_integers(x)) return 0.0 - x;
  return affine("negate", x, -1.0, 0.0);
}

Tensor unary(const char* name, const Tensor& x, Unary op) { return apply(name, x, op); }

}  // namespace ripieno
