// The object that a Tensor handle points to. For operations within core; users need only tensor.h.
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

// A block of memory that tensors share; freed with the last of them.
struct Storage {
  Storage(std::size_t bytes, Device device, MemoryResource& resource);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  // Declares that work on `stream` also uses the memory: it is not reused before that work is done.
  void record_use(const Stream& stream);
  // Sets what the memory is counted as in the statistics of device_memory.h.
  void count_as(MemoryKind kind);

  void* data;
  std::size_t bytes;
  Device device;
  MemoryResource& resource;
  std::atomic<uint64_t> version = 0;  // number of in-place writes that were reported

 private:
  StreamState* stream_ = nullptr;  // the memory is reused in its order
  std::vector<StreamState*, PoolAllocator<StreamState*>> used_on_;
  MemoryKind kind_ = MemoryKind::other;
};

std::shared_ptr<Storage> allocate_storage(std::size_t bytes, Device device,
                                          MemoryResource& resource);

// Allocates and initializes the memory of a parameter at its first use (arena.h). Thread-safe.
class LazyMemory {
 public:
  virtual void materialize() = 0;

 protected:
  ~LazyMemory() = default;
};

// For tensors whose model or arena was destroyed before they had memory: throws Error.
LazyMemory& destroyed_memory();

namespace autograd {
// Drops a handle to a graph. Nodes that are freed with it are freed iteratively, so the depth of
// the graph does not matter.
void drop_graph(std::shared_ptr<Node> node) noexcept;
}  // namespace autograd

struct TensorImplementation {
  ~TensorImplementation() {
    if (node) autograd::drop_graph(std::move(node));
  }

  std::shared_ptr<Storage> storage;  // null for a parameter that has no memory yet
  int64_t offset = 0;                // elements
  Shape shape, strides;
  int64_t elements = 0;
  bool dense = true;
  DType dtype = DType::float32;
  Device device;

  // Set while the memory is not allocated and initialized; must outlive that period.
  std::atomic<LazyMemory*> lazy = nullptr;
  bool requires_gradient = false;
  std::shared_ptr<autograd::Node> node;  // the operation that computed it, if recorded
  int output = 0;                        // the index among its outputs
  std::shared_ptr<autograd::Leaf> leaf;  // its gradient, if it is a leaf

  void require_memory() {
    if (LazyMemory* const memory = lazy.load(std::memory_order_acquire)) [[unlikely]]
      memory->materialize();
  }
};

// A tensor that views `storage`; offset and strides are in elements.
Tensor tensor_over(std::shared_ptr<Storage> storage, int64_t offset, const Shape& shape,
                   const Shape& strides, DType dtype);

}  // namespace ripieno
