// Tensor: numbers of one element type on one device, seen through a shape and strides.
//
// Copying a Tensor copies a handle: both handles name the same memory, which is freed with the last
// of them. reshape, slice, transpose and expand are views: they name the same memory as well. Use
// clone() for a copy of the numbers. Operations on tensors that require gradients are recorded
// (autograd.h). A tensor may be read by several threads, and written by one at a time. What is
// asked of an undefined tensor, but defined(), throws Error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ripieno/core/device/device.h"
#include "ripieno/core/dtype.h"
#include "ripieno/core/error.h"
#include "ripieno/core/shape.h"

namespace ripieno {

namespace autograd {
struct Node;
struct Leaf;
}  // namespace autograd

struct TensorImplementation;
class Stream;

class Tensor {
 public:
  // No tensor at all; defined() is false.
  Tensor() = default;
  // Uninitialized memory for `shape`, dense.
  explicit Tensor(const Shape& shape, DType dtype = DType::float32, Device device = Device::cpu());

  static Tensor zeros(const Shape& shape, DType dtype = DType::float32,
                      Device device = Device::cpu());
  static Tensor full(const Shape& shape, double value, DType dtype = DType::float32,
                     Device device = Device::cpu());
  // Row-major values; on the CPU. Throws Error where their number is not the shape's.
  template <typename T>
  static Tensor of(const Shape& shape, const std::vector<T>& values);

  bool defined() const { return implementation_ != nullptr; }
  const Shape& shape() const;
  const Shape& strides() const;  // elements
  int rank() const { return shape().rank(); }
  int64_t size(int axis) const { return shape()[shape().axis(axis)]; }
  int64_t elements() const;
  std::size_t bytes() const;
  DType dtype() const;
  Device device() const;
  bool is_dense() const;
  // Whether this is the only handle on its memory.
  bool is_exclusive() const;

  // Says that work on `stream`, which was not the current one when the memory was allocated, uses
  // it: nothing else gets the memory before that work is done.
  void record_use(const Stream& stream) const;

  // The first element, on device(). Throws Error where T is not dtype().
  template <typename T>
  T* data() const {
    require_dtype(dtype_of<T>);
    return static_cast<T*>(raw_data());
  }
  void* raw_data() const;

  // The numbers as T, row-major, on the host: waits for the device. item(): of a tensor of one
  // element.
  template <typename T>
  std::vector<T> to_vector() const;
  double item() const;

  // Views. One size of reshape may be -1. reshape of a tensor that is not dense copies.
  Tensor reshape(const Shape& shape) const;
  Tensor slice(int axis, int64_t begin, int64_t end) const;
  Tensor transpose(int a, int b) const;
  Tensor expand(const Shape& shape) const;  // axes of size 1, and new outer ones, repeat

  // A dense tensor of the same numbers: itself where it is dense.
  Tensor dense() const;
  Tensor clone() const;
  Tensor to(DType dtype) const;
  Tensor to(Device device) const;

  // In place; not recorded. Throw Error where recording would be needed (see NoGrad).
  void fill(double value);
  // Casts, and crosses devices. The two may overlap: `other` is read as it was.
  void copy_from(const Tensor& other);

  // Gradients. Only a leaf (not the result of a recorded operation) keeps one.
  bool requires_gradient() const;
  Tensor& set_requires_gradient(bool requires_gradient = true);
  Tensor gradient() const;  // undefined where there is none
  void clear_gradient();
  // Adds the derivative of this tensor (of one element, unless `seed` is given) to the leaves it
  // came from.
  void backward(const Tensor& seed = {}) const;
  // Calls `hook` in each backward, once this leaf's gradient is complete.
  void on_gradient(std::function<void()> hook);
  // The same numbers, cut off from how they were computed.
  Tensor detach() const;

  // How often the memory was written in place: by fill, copy_from, add_into, an optimizer. Tensors
  // over the same memory, an arena's parameters for example, share it.
  uint64_t version() const;
  // For code that writes through data(): a backward that needs what was there then throws Error
  // instead of using what is there now.
  void mark_changed() const;

  TensorImplementation& implementation() const {
    if (!defined()) [[unlikely]]
      fail_undefined();
    return *implementation_;
  }
  static Tensor from(std::shared_ptr<TensorImplementation> implementation) {
    Tensor result;
    result.implementation_ = std::move(implementation);
    return result;
  }

 private:
  [[noreturn]] static void fail_undefined();
  void require_dtype(DType wanted) const;

  std::shared_ptr<TensorImplementation> implementation_;
};

// "(8, 16) float32 on cpu", or "undefined": for messages.
std::string describe(const Tensor& tensor);

}  // namespace ripieno
