// Tensor: an n-dimensional array with one element type on one device, viewed through a shape and
// strides.
//
// A Tensor is a handle: copies of it share the same memory, which is freed with the last of them.
// reshape, slice, transpose and expand return views of that memory; clone() copies it. Operations
// on tensors that require gradients are recorded (autograd.h). On a GPU, operations are enqueued on
// the device's current stream (stream.h) and return at once; functions that wait for the device say
// so.
//
// Any number of threads may read a tensor at once; a write must not overlap with any other access.
// Every member function except defined() throws Error for an undefined tensor.
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
  // An undefined tensor.
  Tensor() = default;
  // A dense tensor with uninitialized elements. Throws OutOfMemory if the device has too little
  // memory, and ConfigurationError if `device` is a GPU that cannot be used.
  explicit Tensor(const Shape& shape, DType dtype = DType::float32, Device device = Device::cpu());

  // The same with all elements 0, or `value` converted to the element type.
  static Tensor zeros(const Shape& shape, DType dtype = DType::float32,
                      Device device = Device::cpu());
  static Tensor full(const Shape& shape, double value, DType dtype = DType::float32,
                     Device device = Device::cpu());
  // A tensor on the CPU with these values in row-major order. T: float, double, int64_t, int32_t,
  // uint8_t, bfloat16 or float16. Throws Error if their number does not match the shape.
  template <typename T>
  static Tensor of(const Shape& shape, const std::vector<T>& values);

  bool defined() const { return implementation_ != nullptr; }
  const Shape& shape() const;
  const Shape& strides() const;  // in elements
  int rank() const { return shape().rank(); }
  // The size of one axis; negative axes count from the end. Throws Error if there is none.
  int64_t size(int axis) const { return shape()[shape().axis(axis)]; }
  int64_t elements() const;
  std::size_t bytes() const;
  DType dtype() const;
  Device device() const;
  // Whether the elements are contiguous in row-major order.
  bool is_dense() const;
  // Whether this is the only handle, and no other tensor shares the memory.
  bool is_exclusive() const;

  // Declares that work on `stream` uses the memory, if that is not the stream that was current when
  // it was allocated: the memory is not reused before that work is done. As record_stream() in
  // PyTorch.
  void record_use(const Stream& stream) const;

  // A pointer to the first element, on device(). Throws Error if T is not dtype().
  template <typename T>
  T* data() const {
    require_dtype(dtype_of<T>);
    return static_cast<T*>(raw_data());
  }
  void* raw_data() const;

  // The elements in row-major order on the host, converted to T (as for of()). Waits for the
  // device.
  template <typename T>
  std::vector<T> to_vector() const;
  // The value of a tensor with one element; throws Error for any other. Waits for the device.
  double item() const;

  // A view with another shape and the same number of elements, in row-major order; recorded. One
  // size may be -1 and is inferred. Copies if the tensor is not dense. Throws Error if the sizes do
  // not fit.
  Tensor reshape(const Shape& shape) const;
  // A view of indices [begin, end) of one axis; recorded. Throws Error for a range outside the
  // axis.
  Tensor slice(int axis, int64_t begin, int64_t end) const;
  // A view with axes `a` and `b` swapped; recorded. Negative axes count from the end.
  Tensor transpose(int a, int b) const;
  // A view that repeats axes of size 1, and adds outer axes, up to `shape`, as NumPy broadcasting
  // does; recorded. Throws Error if the shape cannot be expanded to `shape`.
  Tensor expand(const Shape& shape) const;

  // A dense tensor with the same elements: this one if it is dense, otherwise a copy; recorded.
  Tensor dense() const;
  // A dense copy that shares no memory with this tensor; recorded.
  Tensor clone() const;
  // This tensor if it has that element type, otherwise a dense, converted copy; recorded.
  Tensor to(DType dtype) const;
  // This tensor if it is on that device, otherwise a dense copy there; recorded. Waits for the
  // device when it copies from a GPU to the CPU.
  Tensor to(Device device) const;

  // Sets all elements to `value`, converted to the element type; in place and not recorded. The
  // tensor must be dense. Throws Error if it requires a gradient, unless recording is disabled
  // (NoGrad).
  void fill(double value);
  // Copies `other`, which must have the same shape, in place and not recorded, converting its
  // element type and device. The two may overlap: `other` is read as it was before. Throws Error if
  // this tensor repeats elements (expand), or requires a gradient while recording is enabled.
  void copy_from(const Tensor& other);

  // Whether gradients are computed for this tensor: it is a trainable leaf, or was computed from
  // one by recorded operations.
  bool requires_gradient() const;
  // Throws Error for a tensor that a recorded operation computed, and for element types that are
  // not floating point.
  Tensor& set_requires_gradient(bool requires_gradient = true);
  // The gradient of a leaf, with its shape, element type and device; undefined if there is none.
  // Backwards add to it until it is cleared.
  Tensor gradient() const;
  // Discards the gradient: the next backward overwrites it.
  void clear_gradient();
  // Computes the gradients of all leaves that this tensor was computed from, and adds them to the
  // leaves' gradients. `seed`: the gradient of this tensor, of its shape, type and device; 1 by
  // default, which requires a tensor of one element. Frees the graph. Throws Error if the tensor
  // was not recorded, if an earlier backward used the graph, or if a saved tensor was changed in
  // place.
  void backward(const Tensor& seed = {}) const;
  // Calls `hook` in each backward when the gradient of this leaf is complete, in the thread that
  // runs the backward. Throws Error unless this is a leaf that requires a gradient, and for an
  // empty function.
  void on_gradient(std::function<void()> hook);
  // A view of the same memory that does not require a gradient and has no graph.
  Tensor detach() const;

  // The number of in-place writes to the memory by fill, copy_from, add_into, optimizers and
  // mark_changed(). Tensors that share memory, such as all parameters of an arena, share it.
  uint64_t version() const;
  // Counts an in-place write, for code that writes through data(). A backward that needs the
  // overwritten values then throws Error instead of computing a wrong gradient.
  void mark_changed() const;

  // For operations within core (tensor_implementation.h).
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

// "(8, 16) float32 on cpu", or "undefined", for messages.
std::string describe(const Tensor& tensor);

}  // namespace ripieno
