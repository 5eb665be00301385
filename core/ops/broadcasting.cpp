#include "ripieno/core/ops/broadcasting.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ripieno/core/autograd.h"

namespace ripieno {

Tensor expanded_dense(const Tensor& x, const Shape& shape) {
  const NoGrad no_grad;
  return (x.shape() == shape ? x : x.expand(shape)).dense();
}

Shape broadcast_shape(const char* operation, const Shape& a, const Shape& b) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape result = longer;
  for (int axis = 1; axis <= shorter.rank(); ++axis) {
    int64_t& size = result[longer.rank() - axis];
    const int64_t other = shorter[shorter.rank() - axis];
    if (size != other && size != 1 && other != 1) {
      fail(
          fmt::format("{}: shapes {} and {} do not broadcast; axes are aligned from the last and "
                      "must be equal or 1",
                      operation, to_string(a), to_string(b)));
    }
    if (size == 1) size = other;
  }
  return result;
}

bool can_hold(DType dtype, double number) {
  if (is_floating_point(dtype)) {
    return std::isnan(number) || Tensor::full({1}, number, dtype).item() == number;
  }
  if (number != std::floor(number)) return false;
  switch (dtype) {
    case DType::uint8:
      return number >= 0.0 && number <= 255.0;
    case DType::int32:
      return number >= -0x1p31 && number < 0x1p31;
    case DType::boolean:
      return number == 0.0 || number == 1.0;
    default:
      return std::abs(number) <= 0x1p53;
  }
}

Tensor number_like(const char* operation, const Tensor& x, double number) {
  if (!is_floating_point(x.dtype()) && !can_hold(x.dtype(), number)) {
    fail(
        fmt::format("{}: {} is not a number of type {}; convert the tensor with "
                    "to(DType::float32) first",
                    operation, number, name_of(x.dtype())));
  }
  return Tensor::full({1}, number, x.dtype(), x.device());
}

bool are_integers(const Tensor& x) { return x.defined() && !is_floating_point(x.dtype()); }

void require_floating_point(const char* operation, const Tensor& x) {
  if (is_floating_point(x.dtype())) return;
  fail(
      fmt::format("{}: requires a floating-point tensor, got {}; convert it with "
                  "to(DType::float32)",
                  operation, describe(x)));
}

}  // namespace ripieno
