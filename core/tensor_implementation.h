// What a Tensor handle points at. For core's own operations; users need tensor.h alone.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "ripieno/core/device/device_memory.h"
#include "ripieno/core/device/memory.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

// Memory that tensors share. Freed with the last of them.
struct Storage {
  Storage(std::size_t bytes, Device device, MemoryResource& resource);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  // Work on `stream` uses it too: the memory is not used again before that work is done.
  void record_use(const Stream& stream);
  // For the sums of device_memory.h.
  void count_as(MemoryKind kind);

  void* data;
  std::size_t bytes;
  Device device;
  MemoryResource& resource;
  std::atomic<uint64_t> version = 0;  // how often it was written in place, as far as is known

 private:
  StreamState* stream_ = nullptr;  // in whose order the memory is reused
  std::vector<StreamState*, PoolAllocator<StreamState*>> used_on_;
  MemoryKind kind_ = MemoryKind::other;
};

std::shared_ptr<Storage> allocate_storage(std::size_t bytes, Device device,
                                          MemoryResource& resource);

// Gives a parameter its memory when it is first used (arena.h). Several threads may do so at once.
class LazyMemory {
 public:
  virtual void materialize() = 0;

 protected:
  ~LazyMemory() = default;
};

namespace autograd {
// Gives up a handle. What is freed with it is freed one after the other, in any depth.
void let_go(std::shared_ptr<Node> node) noexcept;
}  // namespace autograd

struct TensorImplementation {
  ~TensorImplementation() {
    if (node) autograd::let_go(std::move(node));
  }

  std::shared_ptr<Storage> storage;  // null for a parameter that has no memory yet
  int64_t offset = 0;                // elements
  Shape shape, strides;
  int64_t elements = 0;
  bool dense = true;
  DType dtype = DType::float32;
  Device device;

  // Set while the memory is not there, or not yet filled in; outlives that time.
  std::atomic<LazyMemory*> lazy = nullptr;
  bool requires_gradient = false;
  std::shared_ptr<autograd::Node> node;  // the operation that made it, where recorded
  int output = 0;                        // as which of its outputs
  std::shared_ptr<autograd::Leaf> leaf;  // its gradient, where it is a leaf

  void require_memory() {
    if (LazyMemory* const memory = lazy.load(std::memory_order_acquire)) [[unlikely]]
      memory->materialize();
  }
};

// A tensor over part of `storage`.
Tensor tensor_over(std::shared_ptr<Storage> storage, int64_t offset, const Shape& shape,
                   const Shape& strides, DType dtype);

}  // namespace ripieno
