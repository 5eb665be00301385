#include "ripieno/core/shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"

namespace ripieno {

Shape::Shape(std::initializer_list<int64_t> sizes) {
  for (const int64_t size : sizes) push_back(size);
}

void Shape::push_back(int64_t size) {
  if (rank_ == kMaxRank) fail(fmt::format("shape: a tensor has at most {} axes", kMaxRank));
  sizes_[rank_++] = size;
}

int64_t Shape::elements() const {
  int64_t product = 1;
  for (const int64_t size : *this) {
    if (size < 0) fail("shape: " + to_string(*this) + " has a negative size");
    if (__builtin_mul_overflow(product, size, &product)) {
      fail("shape: the number of elements of " + to_string(*this) + " does not fit 63 bits");
    }
  }
  return product;
}

int Shape::axis(int axis) const {
  const int counted = axis < 0 ? axis + rank_ : axis;
  if (counted < 0 || counted >= rank_) {
    fail(fmt::format("shape: {} has no axis {}", to_string(*this), axis));
  }
  return counted;
}

bool Shape::operator==(const Shape& other) const {
  return std::equal(begin(), end(), other.begin(), other.end());
}

Shape dense_strides(const Shape& shape) {
  Shape strides = shape;
  int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    // Exceeds 63 bits only if there are no elements, so the stride is never used.
    if (__builtin_mul_overflow(stride, shape[axis], &stride)) stride = 0;
  }
  return strides;
}

std::string to_string(const Shape& shape) {
  return fmt::format("({})", fmt::join(shape.begin(), shape.end(), ", "));
}

}  // namespace ripieno
