#include "ripieno/core/axes.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"

namespace ripieno {

Axes::Axes(std::initializer_list<int> axes) {
  for (const int axis : axes) push_back(axis);
}

Axes::Axes(std::span<const int> axes) {
  for (const int axis : axes) push_back(axis);
}

Axes Axes::all(int rank) {
  Axes axes({});
  for (int axis = 0; axis < rank; ++axis) axes.push_back(axis);
  return axes;
}

void Axes::push_back(int axis) {
  if (size_ == Shape::kMaxRank) {
    fail(fmt::format("axes: more than {} axes were given; a tensor has at most {}", Shape::kMaxRank,
                     Shape::kMaxRank));
  }
  axes_[size_++] = axis;
}

bool Axes::contains(int axis) const { return std::find(begin(), end(), axis) != end(); }

Axes Axes::of(const Shape& shape, const char* operation) const {
  Axes result({});
  for (const int axis : *this) {
    const int counted = axis < 0 ? axis + shape.rank() : axis;
    if (counted < 0 || counted >= shape.rank()) {
      fail(fmt::format("{}: axis {} does not exist in shape {}; axes are from {} to {}", operation,
                       axis, to_string(shape), -shape.rank(), shape.rank() - 1));
    }
    if (result.contains(counted)) {
      fail(fmt::format("{}: axis {} is given twice in {}; each axis may be given once", operation,
                       axis, to_string(*this)));
    }
    result.push_back(counted);
  }
  return result;
}

std::string to_string(const Axes& axes) {
  return fmt::format("({})", fmt::join(axes.begin(), axes.end(), ", "));
}

}  // namespace ripieno
