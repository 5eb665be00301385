#include "ripieno/core/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/copy.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/place.h"
#include "ripieno/core/tensor_implementation.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno {
namespace {

bool is_dense_layout(const Shape& shape, const Shape& strides) {
  const Shape dense = dense_strides(shape);
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] != 1 && strides[axis] != dense[axis]) return false;
  }
  return true;
}

kernels::StridedShape strided(const Tensor& x) {
  kernels::StridedShape result;
  result.rank = x.rank();
  std::copy(x.shape().begin(), x.shape().end(), result.sizes);
  std::copy(x.strides().begin(), x.strides().end(), result.strides_a);
  return result;
}

std::shared_ptr<Storage> storage_for(const Shape& shape, DType dtype, Device device) {
  const std::size_t bytes = bytes_of(shape.elements(), dtype);
  try {
    return allocate_storage(bytes, device, pool(device));
  } catch (const OutOfMemory& error) {
    throw OutOfMemory(fmt::format("cannot allocate a tensor {} {}: {}", to_string(shape),
                                  name_of(dtype), error.what()),
                      error.where());
  }
}

Tensor dense_copy(const Tensor& x) {
  Tensor result(x.shape(), x.dtype(), x.device());
  if (x.elements() == 0) return result;
  if (x.is_dense()) {
    copy_bytes(result.raw_data(), x.device(), x.raw_data(), x.device(), x.bytes());
    return result;
  }
  run_words({"copy", {&result, &x}, 0}, x, [&]<typename Word>(auto on) {
    kernels::copy_strided(on, static_cast<Word*>(result.raw_data()),
                          static_cast<const Word*>(x.raw_data()), strided(x));
  });
  return result;
}

void require_not_recorded(const char* operation, const Tensor& x) {
  if (!autograd::recording() || !x.requires_gradient()) return;
  fail(fmt::format(
      "{}: the tensor requires a gradient, and in-place changes are not recorded; use NoGrad",
      operation));
}

// The number of elements from the first to the last in memory, of a tensor that has at least one.
int64_t extent(const Tensor& x) {
  int64_t last = 0;
  for (int axis = 0; axis < x.rank(); ++axis) last += (x.shape()[axis] - 1) * x.strides()[axis];
  return last + 1;
}

bool share_memory(const Tensor& a, const Tensor& b) {
  const auto begin = [](const Tensor& x) { return static_cast<std::byte*>(x.raw_data()); };
  const auto end = [&](const Tensor& x) {
    return begin(x) + static_cast<std::size_t>(extent(x)) * size_of(x.dtype());
  };
  return a.device() == b.device() && begin(a) < end(b) && begin(b) < end(a);
}

// x is not empty.
void require_distinct_elements(const Tensor& x) {
  if (x.is_dense()) return;
  std::pair<int64_t, int64_t> axes[Shape::kMaxRank];  // (stride, size)
  int count = 0;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (x.shape()[axis] == 1) continue;
    if (x.strides()[axis] == 0) {
      fail(
          fmt::format("copy_from: destination {} is expanded along axis {}, so its elements share "
                      "memory; copy to a clone() instead",
                      to_string(x.shape()), axis));
    }
    axes[count++] = {x.strides()[axis], x.shape()[axis]};
  }
  std::sort(axes, axes + count);
  int64_t extent = 1;  // of the axes with smaller strides
  for (const auto& [stride, size] : std::span(axes, axes + count)) {
    if (stride < extent) {
      fail(
          fmt::format("copy_from: destination {} consists of windows that overlap (unfold), so its "
                      "elements share memory; copy to a clone() instead",
                      to_string(x.shape())));
    }
    extent += (size - 1) * stride;
  }
}

Tensor cast_copy(const Tensor& x, DType dtype) {
  const Tensor from = x.dense();
  Tensor result(x.shape(), dtype, x.device());
  run_any({"cast", {&result, &from}, 0}, from, [&]<typename From>(auto on) {
    run_any(result, [&]<typename To>(auto) {
      kernels::cast(on, result.data<To>(), static_cast<const From*>(from.raw_data()), x.elements());
    });
  });
  return result;
}

}  // namespace

Storage::Storage(std::size_t size, Device where, MemoryResource& from)
    : data(from.allocate(size)), bytes(size), device(where), resource(from) {
  if (!device.is_cuda()) return;
  stream_ = &current_stream(device).state();
  count_memory(device, kind_, static_cast<int64_t>(bytes));
}

Storage::~Storage() {
  count_memory(device, kind_, -static_cast<int64_t>(bytes));
  for (StreamState* other : used_on_) wait(*stream_, *other);
  resource.deallocate(data, bytes);
}

void Storage::record_use(const Stream& stream) {
  StreamState* const user = &stream.state();
  if (!device.is_cuda() || user == stream_) return;
  if (std::find(used_on_.begin(), used_on_.end(), user) == used_on_.end()) {
    used_on_.push_back(user);
  }
}

void Storage::count_as(MemoryKind kind) {
  count_memory(device, kind_, -static_cast<int64_t>(bytes));
  count_memory(device, kind, static_cast<int64_t>(bytes));
  kind_ = kind;
}

namespace {

struct DestroyedMemory final : LazyMemory {
  void materialize() override {
    fail(
        "tensor: the model or arena that it belongs to was destroyed before its memory was "
        "allocated; keep the model as long as its tensors");
  }
};

}  // namespace

LazyMemory& destroyed_memory() {
  static DestroyedMemory memory;
  return memory;
}

std::shared_ptr<Storage> allocate_storage(std::size_t bytes, Device device,
                                          MemoryResource& resource) {
  return std::allocate_shared<Storage>(PoolAllocator<Storage>(), bytes, device, resource);
}

Tensor tensor_over(std::shared_ptr<Storage> storage, int64_t offset, const Shape& shape,
                   const Shape& strides, DType dtype) {
  auto result = std::allocate_shared<TensorImplementation>(PoolAllocator<TensorImplementation>());
  result->device = storage->device;
  result->storage = std::move(storage);
  result->offset = offset;
  result->shape = shape;
  result->strides = strides;
  result->elements = shape.elements();
  result->dense = is_dense_layout(shape, strides);
  result->dtype = dtype;
  return Tensor::from(std::move(result));
}

Tensor::Tensor(const Shape& shape, DType dtype, Device device)
    : Tensor(
          tensor_over(storage_for(shape, dtype, device), 0, shape, dense_strides(shape), dtype)) {}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor result(shape, dtype, device);
  zero_bytes(result.raw_data(), device, result.bytes());
  return result;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor result(shape, dtype, device);
  result.fill(value);
  return result;
}

template <typename T>
Tensor Tensor::of(const Shape& shape, const std::vector<T>& values) {
  Tensor result(shape, dtype_of<T>);
  if (static_cast<std::size_t>(result.elements()) != values.size()) {
    fail(fmt::format("tensor: shape {} requires {} values, got {}", to_string(shape),
                     result.elements(), values.size()));
  }
  std::copy(values.begin(), values.end(), result.data<T>());
  return result;
}

void Tensor::record_use(const Stream& stream) const {
  implementation().require_memory();
  implementation().storage->record_use(stream);
}

const Shape& Tensor::shape() const { return implementation().shape; }
const Shape& Tensor::strides() const { return implementation().strides; }
int64_t Tensor::elements() const { return implementation().elements; }
DType Tensor::dtype() const { return implementation().dtype; }
Device Tensor::device() const { return implementation().device; }
bool Tensor::is_dense() const { return implementation().dense; }
bool Tensor::is_exclusive() const {
  return implementation_.use_count() == 1 && implementation().storage.use_count() == 1;
}

void Tensor::fail_undefined() { fail("tensor: the tensor is undefined"); }

std::string describe(const Tensor& tensor) {
  if (!tensor.defined()) return "undefined";
  return fmt::format("{} {} on {}", to_string(tensor.shape()), name_of(tensor.dtype()),
                     to_string(tensor.device()));
}

std::size_t Tensor::bytes() const {
  return static_cast<std::size_t>(elements()) * size_of(dtype());
}

void* Tensor::raw_data() const {
  implementation().require_memory();
  return static_cast<std::byte*>(implementation().storage->data) +
         static_cast<std::size_t>(implementation().offset) * size_of(dtype());
}

void Tensor::require_dtype(DType wanted) const {
  if (wanted == dtype()) return;
  fail(fmt::format("tensor: the element type is {}, but it is accessed as {}", name_of(dtype()),
                   name_of(wanted)));
}

template <typename T>
std::vector<T> Tensor::to_vector() const {
  const Tensor values =
      (dtype() == dtype_of<T> ? *this : cast_copy(*this, dtype_of<T>)).dense().to(Device::cpu());
  return {values.data<T>(), values.data<T>() + values.elements()};
}

// vector<bool> has no addressable elements, so there is no instantiation for bool.
template Tensor Tensor::of(const Shape&, const std::vector<float>&);
template Tensor Tensor::of(const Shape&, const std::vector<double>&);
template Tensor Tensor::of(const Shape&, const std::vector<int64_t>&);
template Tensor Tensor::of(const Shape&, const std::vector<int32_t>&);
template Tensor Tensor::of(const Shape&, const std::vector<uint8_t>&);
template Tensor Tensor::of(const Shape&, const std::vector<bfloat16>&);
template Tensor Tensor::of(const Shape&, const std::vector<float16>&);
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<int64_t> Tensor::to_vector() const;
template std::vector<int32_t> Tensor::to_vector() const;
template std::vector<uint8_t> Tensor::to_vector() const;
template std::vector<bfloat16> Tensor::to_vector() const;
template std::vector<float16> Tensor::to_vector() const;

double Tensor::item() const {
  if (elements() != 1)
    fail("item: requires a tensor of one element, got shape " + to_string(shape()));
  const Tensor value = to(Device::cpu()).to(DType::float64);
  return *value.data<double>();
}

Tensor Tensor::dense() const {
  if (is_dense()) return *this;
  return autograd::record(
      "dense", dense_copy(*this), {this},
      [](const Tensor& gradient, autograd::Gradients& gradients) { gradients.add(0, gradient); });
}

Tensor Tensor::clone() const {
  return autograd::record(
      "clone", dense_copy(*this), {this},
      [](const Tensor& gradient, autograd::Gradients& gradients) { gradients.add(0, gradient); });
}

Tensor Tensor::to(DType wanted) const {
  if (wanted == dtype()) return *this;
  return autograd::record("to", cast_copy(*this, wanted), {this},
                          [from = dtype()](const Tensor& gradient, autograd::Gradients& gradients) {
                            gradients.add(0, gradient.to(from));
                          });
}

Tensor Tensor::to(Device wanted) const {
  if (wanted == device()) return *this;
  const Tensor from = dense();
  Tensor result(shape(), dtype(), wanted);
  copy_bytes(result.raw_data(), wanted, from.raw_data(), device(), bytes());
  return autograd::record(
      "to", result, {this},
      [back = device()](const Tensor& gradient, autograd::Gradients& gradients) {
        gradients.add(0, gradient.to(back));
      });
}

Tensor Tensor::to(Device wanted, DType type) const {
  // The conversion is where it moves fewer bytes.
  return size_of(type) < size_of(dtype()) ? to(type).to(wanted) : to(wanted).to(type);
}

namespace {

// Whether the integer type holds the number without its fraction; no type holds NaN.
template <typename T>
bool holds(double value) {
  const double whole = std::trunc(value);
  return whole >= static_cast<double>(std::numeric_limits<T>::min()) &&
         whole < std::ldexp(1.0, std::numeric_limits<T>::digits);
}

}  // namespace

void Tensor::fill(double value) {
  require_not_recorded("fill", *this);
  if (!is_dense())
    fail("fill: requires a dense tensor, got a strided view of shape " + to_string(shape()));
  run_any({"fill", {this}, 0}, *this, [&]<typename T>(auto on) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (!holds<T>(value)) {
        fail("fill: " + std::to_string(value) + " is outside the range of " +
             std::string(name_of(dtype())));
      }
    }
    mark_changed();
    T converted{};
    if constexpr (std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>) {
      converted = T(static_cast<float>(value));
    } else {
      converted = static_cast<T>(value);
    }
    kernels::fill(on, data<T>(), elements(), converted);
  });
}

void Tensor::copy_from(const Tensor& other) {
  if (!other.defined()) fail("copy_from: the source is undefined");
  require_not_recorded("copy_from", *this);
  if (!(shape() == other.shape())) {
    fail("copy_from: source is " + to_string(other.shape()) + ", destination is " +
         to_string(shape()) + "; the shapes must match");
  }
  const NoGrad no_grad;
  if (elements() == 0) return;
  require_distinct_elements(*this);
  Tensor from = other.to(dtype()).dense().to(device());
  if (share_memory(*this, from)) from = from.clone();
  mark_changed();
  if (is_dense()) {
    copy_bytes(raw_data(), device(), from.raw_data(), device(), bytes());
    return;
  }
  run_words({"copy", {this, &from}, 0}, *this, [&]<typename Word>(auto on) {
    kernels::copy_to_strided(on, static_cast<Word*>(raw_data()),
                             static_cast<const Word*>(from.raw_data()), strided(*this));
  });
}

uint64_t Tensor::version() const {
  implementation().require_memory();
  return implementation().storage->version.load(std::memory_order_relaxed);
}

void Tensor::mark_changed() const {
  implementation().require_memory();
  implementation().storage->version.fetch_add(1, std::memory_order_relaxed);
}

bool Tensor::requires_gradient() const { return implementation().requires_gradient; }

Tensor& Tensor::set_requires_gradient(bool requires_gradient) {
  if (implementation().node)
    fail("set_requires_gradient: a recorded operation computed the tensor; use detach() first");
  if (requires_gradient && !is_floating_point(dtype())) {
    fail(fmt::format("set_requires_gradient: requires a floating-point tensor, got {}",
                     name_of(dtype())));
  }
  if (requires_gradient != implementation().requires_gradient) {
    implementation().requires_gradient = requires_gradient;
  }
  if (requires_gradient && implementation().leaf == nullptr) {
    implementation().leaf = std::make_shared<autograd::Leaf>();
  }
  return *this;
}

Tensor Tensor::gradient() const {
  const auto& leaf = implementation().leaf;
  return leaf && leaf->has_gradient ? leaf->gradient : Tensor();
}

void Tensor::clear_gradient() {
  if (implementation().leaf) implementation().leaf->has_gradient = false;
}

void Tensor::backward(const Tensor& seed) const { autograd::run_backward(*this, seed); }

void Tensor::on_gradient(std::function<void()> hook) {
  if (!hook) fail("on_gradient: the hook is an empty function; pass one that can be called");
  if (implementation().leaf == nullptr)
    fail(
        "on_gradient: the tensor is not a leaf that requires a gradient; see "
        "set_requires_gradient()");
  implementation().leaf->hooks.push_back(std::move(hook));
}

Tensor Tensor::detach() const {
  implementation().require_memory();
  return tensor_over(implementation().storage, implementation().offset, shape(), strides(),
                     dtype());
}

}  // namespace ripieno
