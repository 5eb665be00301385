#include "ripieno/core/arena/arena.h"

#include <fmt/format.h>

#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/copy.h"
#include "ripieno/core/device/stream.h"

namespace ripieno {

namespace {

// Small enough that the size in bytes, for any element type, fits 64 bits.
constexpr int64_t kMaxElements = int64_t{1} << 59;

}  // namespace

void ArenaLayout::add(const std::string& name, const Shape& shape, const std::string& unit) {
  if (find(name) >= 0) fail("arena: the tensor name '" + name + "' is used twice");
  const Entry entry{name, shape, elements_, shape.elements()};
  if (entry.elements > kMaxElements - elements_)
    throw ConfigurationError(fmt::format(
        "arena: with '{}' {} the model exceeds the maximum of {} elements; use a smaller model",
        name, to_string(shape), kMaxElements));
  elements_ = (elements_ + entry.elements + kAlignment - 1) / kAlignment * kAlignment;
  entries_.push_back(entry);
  if (units_.empty() || units_.back().name != unit) units_.push_back({unit, entry.offset, 0});
  units_.back().end = elements_;
}

int ArenaLayout::find(const std::string& name) const {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

Arena::Arena(std::shared_ptr<const ArenaLayout> layout, DType dtype, Device device,
             MemoryResource* resource)
    : layout_(std::move(layout)), dtype_(dtype), device_(device), resource_(resource) {
  for (const auto& entry : layout_->entries()) {
    auto tensor = std::make_shared<TensorImplementation>();
    tensor->shape = entry.shape;
    tensor->strides = dense_strides(entry.shape);
    tensor->elements = entry.elements;
    tensors_.push_back(Tensor::from(std::move(tensor)));
  }
  bind();
}

Arena::~Arena() {
  for (const Tensor& tensor : tensors_) {
    auto& lazy = tensor.implementation().lazy;
    if (lazy == static_cast<LazyMemory*>(this)) lazy = &destroyed_memory();
  }
}

void Arena::adopt(std::vector<Tensor> tensors) {
  const auto& entries = layout_->entries();
  if (tensors.size() != entries.size()) {
    fail(fmt::format("Arena::adopt: got {} tensors; the layout has {}", tensors.size(),
                     entries.size()));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].defined() && tensors[i].shape() == entries[i].shape && tensors[i].is_dense())
      continue;
    fail(fmt::format("Arena::adopt: tensor {} is {}; '{}' of the layout requires a dense tensor {}",
                     i, describe(tensors[i]), entries[i].name, to_string(entries[i].shape)));
  }
  tensors_ = std::move(tensors);
  bind();
}

void Arena::bind() {
  bind_memory();
  set_ready(storage_ != nullptr);
}

void Arena::bind_memory() {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    TensorImplementation& tensor = tensors_[i].implementation();
    tensor.storage = storage_;
    tensor.offset = layout_->entries()[i].offset;
    // Other threads may read these while one allocates the memory, so they are not written if they
    // are correct already.
    if (tensor.dtype != dtype_) tensor.dtype = dtype_;
    if (tensor.device != device_) tensor.device = device_;
  }
}

void Arena::set_ready(bool ready) {
  for (const Tensor& tensor : tensors_) {
    tensor.implementation().lazy.store(ready ? nullptr : this, std::memory_order_release);
  }
  ready_.store(ready, std::memory_order_release);
}

void Arena::materialize() {
  if (ready_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(first_use_);
  if (storage_ != nullptr) return;
  storage_ = allocate();
  zero_bytes(storage_->data, device_, storage_->bytes);
  fill();
}

// Other threads that use the tensors wait until this is done.
void Arena::fill() {
  bind_memory();
  try {
    if (fill_) fill_();
  } catch (...) {
    release();
    throw;
  }
  set_ready(true);
}

void Arena::release() {
  storage_.reset();
  bind();
}

std::shared_ptr<Storage> Arena::allocate() const {
  const std::size_t bytes = bytes_of(layout_->elements(), dtype_);
  try {
    const auto storage = allocate_storage(bytes, device_, resource_ ? *resource_ : pool(device_));
    storage->count_as(kind_);
    return storage;
  } catch (const OutOfMemory& error) {
    throw OutOfMemory(std::string(name_of(kind_)) + ": " + error.what(), error.where());
  }
}

void Arena::count_as(MemoryKind kind) {
  kind_ = kind;
  if (storage_) storage_->count_as(kind);
}

void Arena::place_in(MemoryResource* resource) {
  if (std::exchange(resource_, resource) == resource || storage_ == nullptr) return;
  const std::shared_ptr<Storage> before = std::exchange(storage_, allocate());
  copy_bytes(storage_->data, device_, before->data, device_, before->bytes);
  storage_->version = before->version.load();
  bind();
}

Tensor Arena::range(int64_t begin, int64_t end) {
  materialize();
  if (begin < 0 || begin > end || end > layout_->elements()) {
    fail(fmt::format("arena: range [{}, {}) is outside the arena, which has {} elements", begin,
                     end, layout_->elements()));
  }
  return tensor_over(storage_, begin, {end - begin}, {1}, dtype_);
}

void Arena::to(Device device, DType dtype) {
  if (device == device_ && dtype == dtype_) return;
  // Everything that may fail comes first, so that a failed move changes nothing.
  std::shared_ptr<Storage> moved;
  if (has_memory()) {
    const NoGrad no_grad;
    const Tensor before = flat();
    moved = before.to(dtype).to(device).implementation().storage;  // allocated from the pool
    moved->version = before.version();                             // the contents are unchanged
    moved->count_as(kind_);
  }
  MemoryResource* const resource = device == device_ ? resource_ : nullptr;  // serves one device
  device_ = device;
  dtype_ = dtype;
  resource_ = moved ? nullptr : resource;
  storage_ = std::move(moved);
  bind();
  if (has_memory() && resource) place_in(resource);
}

}  // namespace ripieno
