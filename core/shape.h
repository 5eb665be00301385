// Shape: the sizes (or strides) of a tensor's axes, outermost first. A value type that never
// allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "ripieno/kernels/elementwise.h"

namespace ripieno {

class Shape {
 public:
  static constexpr int kMaxRank = kernels::kMaxRank;

  Shape() = default;
  // Throws Error for more than kMaxRank axes.
  Shape(std::initializer_list<int64_t> sizes);

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  // The number of elements; 1 for a scalar. Throws Error if a size is negative or the product
  // exceeds 63 bits.
  int64_t elements() const;

  int64_t operator[](int axis) const { return sizes_[axis]; }
  int64_t& operator[](int axis) { return sizes_[axis]; }
  int64_t back() const { return sizes_[rank_ - 1]; }
  int64_t& back() { return sizes_[rank_ - 1]; }
  const int64_t* begin() const { return sizes_; }
  const int64_t* end() const { return sizes_ + rank_; }

  // Throws Error beyond kMaxRank axes.
  void push_back(int64_t size);
  void pop_back() { --rank_; }
  // The axis as a non-negative index: a negative one counts from the end. Throws Error if there is
  // no such axis.
  int axis(int axis) const;

  bool operator==(const Shape& other) const;

 private:
  int rank_ = 0;
  int64_t sizes_[kMaxRank] = {};
};

// The strides, in elements, of a dense row-major tensor.
Shape dense_strides(const Shape& shape);
// "(8, 16)"
std::string to_string(const Shape& shape);

}  // namespace ripieno
