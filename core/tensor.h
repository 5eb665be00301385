// Tensor: an n-dimensional array with one element type on one device, viewed through a shape and
// strides.
//
// A Tensor is a handle: copies of it share the same memory, which is freed with the last of them.
// reshape, slice, transpose and expand return views of that memory; clone() copies it. Operations
// on tensors that require gradients are recorded (autograd.h). On a GPU, operations are enqueued on
// the device's current stream (stream.h) and return at once; functions that wait for the device say
// so.
//
// Operations are free functions (core/ops). The most common ones are members too, so that
// x.mean(1) is mean(x, 1); their comments are those of the functions.
//
// Any number of threads may read a tensor at once; a write must not overlap with any other access.
// Every member function except defined() throws Error for an undefined tensor.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ripieno/core/axes.h"
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
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  ~Tensor() = default;
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;
  // x[0] = y would set a handle that is dropped at once: use x[0].copy_from(y).
  void operator=(const Tensor&) && = delete;
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
  template <typename T>
  static Tensor of(const Shape& shape, std::initializer_list<T> values) {
    return of(shape, std::vector<T>(values));
  }

  static Tensor ones(const Shape& shape, DType dtype = DType::float32,
                     Device device = Device::cpu());
  // begin, begin + step, … up to but without `end`: int64 if all are integers, float32 otherwise,
  // unless a type is given. Throws Error if step is 0 or not finite.
  template <std::integral End>
  static Tensor arange(End end, DType dtype = DType::int64, Device device = Device::cpu()) {
    return integers(0, static_cast<int64_t>(end), 1, dtype, device);
  }
  template <std::integral Begin, std::integral End>
  static Tensor arange(Begin begin, End end, int64_t step = 1, DType dtype = DType::int64,
                       Device device = Device::cpu()) {
    return integers(static_cast<int64_t>(begin), static_cast<int64_t>(end), step, dtype, device);
  }
  static Tensor arange(double end, DType dtype = DType::float32, Device device = Device::cpu());
  static Tensor arange(double begin, double end, double step = 1.0, DType dtype = DType::float32,
                       Device device = Device::cpu());
  // `count` numbers at equal distances, from `first` to `last`; `first` alone if count is 1.
  static Tensor linspace(double first, double last, int64_t count, DType dtype = DType::float32,
                         Device device = Device::cpu());
  // A matrix with ones on its diagonal; columns = -1: as many as rows.
  static Tensor eye(int64_t rows, int64_t columns = -1, DType dtype = DType::float32,
                    Device device = Device::cpu());
  // Random numbers of this thread's context (random.h): uniform in (0, 1], and normal with mean 0
  // and deviation 1. Successive calls draw different numbers; they are a function of the seed, the
  // step, and the number of calls in that step before this one.
  static Tensor rand(const Shape& shape, DType dtype = DType::float32,
                     Device device = Device::cpu());
  static Tensor randn(const Shape& shape, DType dtype = DType::float32,
                      Device device = Device::cpu());

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
  // A view of indices [begin, end) of one axis, or of every `step`-th of them; recorded. Throws
  // Error for a range outside the axis, and if step is less than 1.
  Tensor slice(int axis, int64_t begin, int64_t end, int64_t step = 1) const;
  // A view of one index of axis 0, without that axis; recorded. Negative indices count from the
  // end. Throws Error if there is no such index.
  Tensor operator[](int64_t index) const;
  // A view with axes `a` and `b` swapped; recorded. Negative axes count from the end.
  Tensor transpose(int a, int b) const;
  // A view that repeats axes of size 1, and adds outer axes, up to `shape`, as NumPy broadcasting
  // does; recorded. Throws Error if the shape cannot be expanded to `shape`.
  Tensor expand(const Shape& shape) const;
  // A view whose axis i is axis axes[i] of this tensor; recorded. All axes must be given.
  Tensor permute(const Axes& axes) const;
  // A view without the axes of size 1, or without those that are given, of size 1; recorded.
  Tensor squeeze() const;
  Tensor squeeze(const Axes& axes) const;
  // A view with one more axis, of size 1, which becomes axis `axis`; recorded.
  Tensor unsqueeze(int axis) const;
  // reshape() to one axis.
  Tensor flatten() const { return reshape({-1}); }

  // A dense tensor with the same elements: this one if it is dense, otherwise a copy; recorded.
  Tensor dense() const;
  // A dense copy that shares no memory with this tensor; recorded.
  Tensor clone() const;
  // This tensor if it has that element type, otherwise a dense, converted copy; recorded.
  Tensor to(DType dtype) const;
  // This tensor if it is on that device, otherwise a dense copy there; recorded. Waits for the
  // device when it copies from a GPU to the CPU.
  Tensor to(Device device) const;
  // Both.
  Tensor to(Device device, DType dtype) const;

  // Sets all elements to `value`, converted to the element type; in place and not recorded. The
  // tensor must be dense. Throws Error for a number outside the range of an integer type, and if
  // the tensor requires a gradient, unless recording is disabled (NoGrad).
  void fill(double value);
  // Copies `other`, which must have the same shape, in place and not recorded, converting its
  // element type and device. The two may overlap: `other` is read as it was before. Throws Error if
  // this tensor repeats elements (expand), or requires a gradient while recording is enabled.
  void copy_from(const Tensor& other);

  // x += y and the like: x becomes x + y, where y may be broadcast to the shape of x. If nothing is
  // recorded, the memory of x is written in place, so its other handles and views change too, and
  // version() counts it. If a gradient has to be recorded, x becomes a handle on a new tensor, as
  // in x = x + y, and other handles keep the old one. Throws Error for a leaf that requires a
  // gradient while recording is enabled: use NoGrad.
  Tensor& operator+=(const Tensor& other) &;
  Tensor& operator-=(const Tensor& other) &;
  Tensor& operator*=(const Tensor& other) &;
  Tensor& operator/=(const Tensor& other) &;
  Tensor& operator+=(double other) &;
  Tensor& operator-=(double other) &;
  Tensor& operator*=(double other) &;
  Tensor& operator/=(double other) &;
  // The same for a view that is not kept: x[0] += y. It is always in place; throws Error if a
  // gradient would have to be recorded.
  void operator+=(const Tensor& other) &&;
  void operator-=(const Tensor& other) &&;
  void operator*=(const Tensor& other) &&;
  void operator/=(const Tensor& other) &&;
  void operator+=(double other) &&;
  void operator-=(double other) &&;
  void operator*=(double other) &&;
  void operator/=(double other) &&;

  // Members that are free functions of core/ops, see there.
  Tensor sum() const;
  Tensor sum(const Axes& axes, bool keep = false) const;
  Tensor mean() const;
  Tensor mean(const Axes& axes, bool keep = false) const;
  Tensor var() const;
  Tensor var(const Axes& axes, double correction = 1.0, bool keep = false) const;
  Tensor max() const;
  Tensor max(const Axes& axes, bool keep = false) const;
  Tensor min() const;
  Tensor min(const Axes& axes, bool keep = false) const;
  Tensor product() const;
  Tensor product(const Axes& axes, bool keep = false) const;
  Tensor norm() const;
  Tensor norm(const Axes& axes, double p = 2.0, bool keep = false) const;
  Tensor any() const;
  Tensor all() const;
  Tensor argmax(int axis, bool keep = false) const;
  Tensor argmin(int axis, bool keep = false) const;
  Tensor abs() const;
  Tensor exp() const;
  Tensor log() const;
  Tensor sqrt() const;
  Tensor pow(double exponent) const;
  Tensor clamp(double low, double high) const;
  Tensor matmul(const Tensor& other) const;

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
  static Tensor integers(int64_t begin, int64_t end, int64_t step, DType dtype, Device device);

  std::shared_ptr<TensorImplementation> implementation_;
};

// "(8, 16) float32 on cpu", or "undefined", for messages.
std::string describe(const Tensor& tensor);

}  // namespace ripieno
