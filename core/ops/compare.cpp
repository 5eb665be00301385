#include "ripieno/core/ops/compare.h"

#include <fmt/format.h>

#include <cmath>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/broadcasting.h"
#include "ripieno/core/ops/integers.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/compare.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::Comparison;
using kernels::IntegerOperation;

// Calls op.operator()<T>(on) as run_any() does; bool is compared as uint8_t.
template <typename Op>
void run_numbers(const Work& work, const Tensor& x, const Op& op) {
  run_any(work, x, [&]<typename T>(auto on) {
    if constexpr (std::is_same_v<T, bool>) {
      op.template operator()<uint8_t>(on);
    } else {
      op.template operator()<T>(on);
    }
  });
}

template <typename T>
const T* numbers_of(const Tensor& x) {
  return static_cast<const T*>(x.raw_data());
}

// a and b: dense, of one type; b may have one element.
Tensor compare_dense(const char* name, const Tensor& a, const Tensor& b, Comparison comparison) {
  Tensor result(a.shape(), DType::boolean, a.device());
  run_numbers({name, {&result, &a, &b}}, a, [&]<typename T>(auto on) {
    kernels::compare(on, result.data<bool>(), numbers_of<T>(a), numbers_of<T>(b), b.elements() == 1,
                     a.elements(), comparison);
  });
  return result;
}

Tensor compare(const char* name, const Tensor& a, const Tensor& b, Comparison comparison) {
  require_defined(name, {{"a", a}, {"b", b}});
  require_one_type(name, {{"a", a}, {"b", b}});
  const Shape shape = broadcast_shape(name, a.shape(), b.shape());
  const NoGrad no_grad;
  const bool repeats_b = b.elements() == 1;
  return compare_dense(name, expanded_dense(a, shape),
                       repeats_b ? b.dense() : expanded_dense(b, shape), comparison);
}

// Whether a tensor of this type can be filled with exactly this number. Larger than for arithmetic,
// where integers beyond 2^53 may be rounded ones.
bool can_compare(DType dtype, double number) {
  const bool is_int64 = dtype == DType::int64 && number == std::floor(number);
  return can_hold(dtype, number) || (is_int64 && number >= -0x1p63 && number < 0x1p63);
}

// A number that the type of x cannot hold exactly is compared in float64.
Tensor compare(const char* name, const Tensor& x, double number, Comparison comparison) {
  require_defined(name, {{"x", x}});
  const NoGrad no_grad;
  const Tensor dense = x.dense();
  if (can_compare(x.dtype(), number)) {
    return compare_dense(name, dense, Tensor::full({1}, number, x.dtype(), x.device()), comparison);
  }
  return compare_dense(name, dense.to(DType::float64),
                       Tensor::full({1}, number, DType::float64, x.device()), comparison);
}

Tensor as_condition(const Tensor& x, const Shape& shape) {
  const NoGrad no_grad;
  return expanded_dense(x.dtype() == DType::boolean ? x : x != 0.0, shape);
}

// condition ? a : b for dense tensors of `shape`, or of one element.
Tensor select(const Shape& shape, const Tensor& condition, const Tensor& a, const Tensor& b) {
  Tensor result(shape, a.dtype(), a.device());
  const bool repeats_a = a.elements() == 1, repeats_b = b.elements() == 1;
  run_words({"where", {&result, &condition, &a, &b}, 0}, a, [&]<typename Word>(auto on) {
    kernels::select(on, static_cast<Word*>(result.raw_data()), condition.data<bool>(),
                    numbers_of<Word>(a), repeats_a, numbers_of<Word>(b), repeats_b,
                    result.elements());
  });
  return result;
}

Tensor select_broadcast(const Shape& shape, const Tensor& condition, const Tensor& a,
                        const Tensor& b) {
  const auto operand = [&](const Tensor& x) {
    return x.elements() == 1 ? x.detach().dense() : expanded_dense(x, shape);
  };
  return select(shape, condition, operand(a), operand(b));
}

}  // namespace

Tensor integer_operation(const char* name, const Tensor& a, const Tensor& b, IntegerOperation op) {
  require_defined(name, {{"a", a}, {"b", b}});
  require_one_type(name, {{"a", a}, {"b", b}});
  if (is_floating_point(a.dtype()) || a.dtype() == DType::boolean) {
    fail(fmt::format("{}: a is {}; requires int64, int32 or uint8, so convert with to()", name,
                     describe(a)));
  }
  const Shape shape = broadcast_shape(name, a.shape(), b.shape());
  const bool repeats_b = b.elements() == 1;
  const Tensor left = expanded_dense(a, shape);
  const Tensor right = repeats_b ? b.dense() : expanded_dense(b, shape);
  Tensor result(shape, a.dtype(), a.device());
  run_any({name, {&result, &left, &right}, result.elements()}, a, [&]<typename T>(auto on) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      kernels::integer_binary(on, result.data<T>(), left.data<T>(), right.data<T>(), repeats_b,
                              result.elements(), op);
    }
  });
  return result;
}

Tensor integer_operation(const char* name, const Tensor& a, double b, IntegerOperation op) {
  require_defined(name, {{"a", a}});
  return integer_operation(name, a, number_like(name, a, b), op);
}

Tensor operator==(const Tensor& a, const Tensor& b) {
  return compare("==", a, b, Comparison::kEqual);
}
Tensor operator!=(const Tensor& a, const Tensor& b) {
  return compare("!=", a, b, Comparison::kNotEqual);
}
Tensor operator<(const Tensor& a, const Tensor& b) { return compare("<", a, b, Comparison::kLess); }
Tensor operator<=(const Tensor& a, const Tensor& b) {
  return compare("<=", a, b, Comparison::kLessEqual);
}
Tensor operator>(const Tensor& a, const Tensor& b) {
  return compare(">", a, b, Comparison::kGreater);
}
Tensor operator>=(const Tensor& a, const Tensor& b) {
  return compare(">=", a, b, Comparison::kGreaterEqual);
}

Tensor operator==(const Tensor& a, double b) { return compare("==", a, b, Comparison::kEqual); }
Tensor operator!=(const Tensor& a, double b) { return compare("!=", a, b, Comparison::kNotEqual); }
Tensor operator<(const Tensor& a, double b) { return compare("<", a, b, Comparison::kLess); }
Tensor operator<=(const Tensor& a, double b) { return compare("<=", a, b, Comparison::kLessEqual); }
Tensor operator>(const Tensor& a, double b) { return compare(">", a, b, Comparison::kGreater); }
Tensor operator>=(const Tensor& a, double b) {
  return compare(">=", a, b, Comparison::kGreaterEqual);
}

Tensor operator==(double a, const Tensor& b) { return b == a; }
Tensor operator!=(double a, const Tensor& b) { return b != a; }
Tensor operator<(double a, const Tensor& b) { return b > a; }
Tensor operator<=(double a, const Tensor& b) { return b >= a; }
Tensor operator>(double a, const Tensor& b) { return b < a; }
Tensor operator>=(double a, const Tensor& b) { return b <= a; }

Tensor logical_and(const Tensor& a, const Tensor& b) {
  return compare("logical_and", a, b, Comparison::kAnd);
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return compare("logical_or", a, b, Comparison::kOr);
}
Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return compare("logical_xor", a, b, Comparison::kXor);
}
Tensor logical_not(const Tensor& x) { return compare("logical_not", x, 0.0, Comparison::kEqual); }

Tensor isnan(const Tensor& x) { return compare("isnan", x, 0.0, Comparison::kIsNan); }
Tensor isinf(const Tensor& x) { return compare("isinf", x, 0.0, Comparison::kIsInfinite); }
Tensor isfinite(const Tensor& x) { return compare("isfinite", x, 0.0, Comparison::kIsFinite); }

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  require_defined("where", {{"condition", condition}, {"a", a}, {"b", b}});
  require_one_type("where", {{"a", a}, {"b", b}});
  require_one_device("where", {{"condition", condition}, {"a", a}});
  const Shape shape =
      broadcast_shape("where", condition.shape(), broadcast_shape("where", a.shape(), b.shape()));
  const Tensor chosen = as_condition(condition, shape);
  return autograd::record(
      "where", select_broadcast(shape, chosen, a, b), {&a, &b},
      [chosen = Saved(chosen), of_a = a.shape(), of_b = b.shape()](const Tensor& gradient,
                                                                   Gradients& gradients) {
        const Tensor zero = Tensor::zeros({1}, gradient.dtype(), gradient.device());
        const Shape& whole = gradient.shape();
        if (gradients.wanted(0)) {
          gradients.add(0, sum_to(select(whole, *chosen, gradient, zero), of_a));
        }
        if (gradients.wanted(1)) {
          gradients.add(1, sum_to(select(whole, *chosen, zero, gradient), of_b));
        }
      });
}
Tensor where(const Tensor& condition, const Tensor& a, double b) {
  require_defined("where", {{"a", a}});
  return where(condition, a, number_like("where", a, b).reshape({}));
}
Tensor where(const Tensor& condition, double a, const Tensor& b) {
  require_defined("where", {{"b", b}});
  return where(condition, number_like("where", b, a).reshape({}), b);
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  require_defined("masked_fill", {{"x", x}, {"mask", mask}});
  if (broadcast_shape("masked_fill", x.shape(), mask.shape()) != x.shape()) {
    fail(fmt::format("masked_fill: x is {}, the mask is {}; it must broadcast to the shape of x",
                     to_string(x.shape()), to_string(mask.shape())));
  }
  return where(mask, number_like("masked_fill", x, value).reshape({}), x);
}

}  // namespace ripieno
