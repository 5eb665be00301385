// Arena: one allocation that holds all tensors of one kind (parameters, gradients or optimizer
// state) of a model.
//
// All arenas of a model have the same layout: a tensor has the same element offset in each, so a
// gradient bucket, an optimizer shard and a piece of a checkpoint are element ranges. Memory is
// allocated at first use.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ripieno/core/device/device_memory.h"
#include "ripieno/core/device/memory.h"
#include "ripieno/core/tensor.h"
#include "ripieno/core/tensor_implementation.h"

namespace ripieno {

// Elements [begin, end) of an arena.
struct ElementRange {
  int64_t begin = 0, end = 0;

  int64_t elements() const { return end - begin; }
  bool operator==(const ElementRange&) const = default;
};

// The offset of each tensor, in elements. Offsets are multiples of kAlignment; the padding between
// tensors is zero.
class ArenaLayout {
 public:
  static constexpr int64_t kAlignment = 64;

  struct Entry {
    std::string name;
    Shape shape;
    int64_t offset = 0;
    int64_t elements = 0;
  };
  // A unit: a module that is gathered, sharded and recomputed as a whole; its tensors are
  // contiguous.
  struct Unit {
    std::string name;
    int64_t begin = 0, end = 0;
  };

  // Appends a tensor. Tensors of one unit must be added consecutively. Throws Error if the name
  // exists, and ConfigurationError if the model has too many elements.
  void add(const std::string& name, const Shape& shape, const std::string& unit);

  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<Unit>& units() const { return units_; }
  // The size of the arena, including padding.
  int64_t elements() const { return elements_; }
  // The index of the entry of that name, or -1.
  int find(const std::string& name) const;

 private:
  std::vector<Entry> entries_;
  std::vector<Unit> units_;
  int64_t elements_ = 0;
};

class Arena final : LazyMemory {
 public:
  // Elements start as zero, unless on_first_use() sets another initialization. `resource`: where
  // memory is allocated; null means the device's pool.
  Arena(std::shared_ptr<const ArenaLayout> layout, DType dtype, Device device,
        MemoryResource* resource = nullptr);
  // The memory lives as long as handles on it. Handles of an arena that never allocated it throw
  // Error when they are used afterwards.
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  const ArenaLayout& layout() const { return *layout_; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  bool has_memory() const { return storage_ != nullptr; }

  // The tensors, in the order of the layout. They are handles that follow the arena when it moves.
  const std::vector<Tensor>& tensors() const { return tensors_; }
  // Elements [begin, end) as a tensor (end - begin); flat() is the whole arena. Allocates the
  // memory if needed. Throws Error for a range outside the arena. The view does not follow the
  // arena when it moves.
  Tensor range(int64_t begin, int64_t end);
  Tensor flat() { return range(0, layout_->elements()); }

  // Uses these existing handles, in the order of the layout, instead of its own. Throws Error
  // unless they are dense and have the layout's shapes.
  void adopt(std::vector<Tensor> tensors);
  // Sets the initialization, which runs when the memory is allocated at first use (and again after
  // release()), before other threads can use it. If it throws, the memory is released.
  void on_first_use(std::function<void()> fill) { fill_ = std::move(fill); }

  // Moves the contents to memory from `resource` (null: the device's pool); the tensors' handles
  // follow. The resource must outlive that memory, which is returned when the arena is destroyed or
  // moved again and the last earlier view of it is gone.
  void place_in(MemoryResource* resource);
  // Allocates and initializes the memory, unless that has been done. Thread-safe: concurrent
  // callers wait until it is complete.
  void materialize() override;
  // Discards the contents: memory is allocated and initialized again at the next use.
  void release();
  // Size of the memory in bytes; 0 before it is allocated.
  int64_t bytes() const { return storage_ ? static_cast<int64_t>(storage_->bytes) : 0; }
  // Sets what its memory is counted as (device_memory.h).
  void count_as(MemoryKind kind);
  // Moves the contents to `device` and converts them to `dtype`; the tensors' handles follow. If it
  // throws, for want of memory or because there is no such device, nothing has changed.
  void to(Device device, DType dtype);

 private:
  void bind();
  void bind_memory();
  void fill();
  void set_ready(bool ready);
  std::shared_ptr<Storage> allocate() const;

  std::shared_ptr<const ArenaLayout> layout_;
  DType dtype_;
  Device device_;
  MemoryResource* resource_;
  std::shared_ptr<Storage> storage_;
  std::vector<Tensor> tensors_;
  std::function<void()> fill_;
  MemoryKind kind_ = MemoryKind::other;
  std::recursive_mutex first_use_;   // recursive: initialization uses the tensors
  std::atomic<bool> ready_ = false;  // allocated and initialized
};

}  // namespace ripieno
