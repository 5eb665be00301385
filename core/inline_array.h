// InlineArray: an array whose size is set once; up to N elements are stored inline, more in the
// CPU's pool.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "ripieno/core/device/memory.h"

namespace ripieno {

template <typename T, std::size_t N>
class InlineArray {
 public:
  // Call at most once: the array must be empty.
  void resize(std::size_t size) {
    if (size > N) outside_.resize(size);
    size_ = size;
  }

  std::size_t size() const { return size_; }
  T* data() { return size_ > N ? outside_.data() : inside_.data(); }
  const T* data() const { return size_ > N ? outside_.data() : inside_.data(); }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T& operator[](std::size_t index) { return data()[index]; }
  const T& operator[](std::size_t index) const { return data()[index]; }

 private:
  std::size_t size_ = 0;
  std::array<T, N> inside_ = {};
  std::vector<T, PoolAllocator<T>> outside_;
};

}  // namespace ripieno
