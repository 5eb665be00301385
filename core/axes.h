// Axes: one or several axes of a tensor, in the order given: sum(x, 1), sum(x, {0, 2}),
// permute(x, {2, 0, 1}).
#pragma once

#include <concepts>
#include <initializer_list>
#include <span>
#include <string>

#include "ripieno/core/shape.h"

namespace ripieno {

class Axes {
 public:
  // Negative axes count from the end. Throws Error for more than Shape::kMaxRank axes.
  Axes(int axis) : Axes({axis}) {}
  // A number is not an axis: max(x, 0.5) is maximum(x, 0.5).
  template <std::floating_point Number>
  Axes(Number) = delete;
  Axes(std::initializer_list<int> axes);
  explicit Axes(std::span<const int> axes);
  // 0, 1, …, rank - 1.
  static Axes all(int rank);

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int operator[](int i) const { return axes_[i]; }
  const int* begin() const { return axes_; }
  const int* end() const { return axes_ + size_; }

  // The axes of `shape` as non-negative indices, in the same order. Throws Error, naming
  // `operation`, for an axis that the shape does not have, and for one that is given twice.
  Axes of(const Shape& shape, const char* operation) const;
  bool contains(int axis) const;

 private:
  void push_back(int axis);

  int size_ = 0;
  int axes_[Shape::kMaxRank] = {};
};

// "(0, 2)"
std::string to_string(const Axes& axes);

}  // namespace ripieno
