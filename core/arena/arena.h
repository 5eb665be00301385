// Arena: the tensors of one kind of a model (parameters, gradients, optimizer state) in one run of
// memory.
//
// All arenas of a model share a layout: the same tensor lies at the same element in each, so a
// gradient bucket, an optimizer's shard and a piece of a checkpoint are ranges of elements. The
// memory appears when it is first used.
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

// Where each tensor lies, in elements. Tensors begin at multiples of kAlignment; what lies between
// is zero.
class ArenaLayout {
 public:
  static constexpr int64_t kAlignment = 64;

  struct Entry {
    std::string name;
    Shape shape;
    int64_t offset = 0;
    int64_t elements = 0;
  };
  // A block of the model: a contiguous range that is gathered, sharded and recomputed as one.
  struct Unit {
    std::string name;
    int64_t begin = 0, end = 0;
  };

  // Appends a tensor. Those of one unit follow each other.
  void add(const std::string& name, const Shape& shape, const std::string& unit);

  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<Unit>& units() const { return units_; }
  // With padding.
  int64_t elements() const { return elements_; }
  // The entry of that name, or -1.
  int find(const std::string& name) const;

 private:
  std::vector<Entry> entries_;
  std::vector<Unit> units_;
  int64_t elements_ = 0;
};

class Arena final : LazyMemory {
 public:
  // Zeros, unless `fill` does something else when the memory appears. `resource`: the device's pool
  // where null.
  Arena(std::shared_ptr<const ArenaLayout> layout, DType dtype, Device device,
        MemoryResource* resource = nullptr);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  const ArenaLayout& layout() const { return *layout_; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  bool has_memory() const { return storage_ != nullptr; }

  // The tensors, in the layout's order. Handles: they follow the arena when it moves.
  const std::vector<Tensor>& tensors() const { return tensors_; }
  // Elements [begin, end) as one row; flat() is all of them.
  Tensor range(int64_t begin, int64_t end);
  Tensor flat() { return range(0, layout_->elements()); }

  // Takes over handles that exist already, in the layout's order, instead of its own.
  void adopt(std::vector<Tensor> tensors);
  // Called once, when the memory appears, before anything else sees it.
  void on_first_use(std::function<void()> fill) { fill_ = std::move(fill); }

  // Takes the memory from `resource` (the device's pool where null); what is there moves, and the
  // tensors' handles follow. The resource outlives the memory, which goes back to it with the arena
  // or when it is placed elsewhere, and with the last view that was made of it before.
  void place_in(MemoryResource* resource);
  // Gives the memory now, if it is not there yet. Threads that do so at once wait for the first.
  void materialize() override;
  // Forgets what is there: the memory appears anew, as at first, with the next use.
  void release();
  // Of its memory; 0 before it appears.
  int64_t bytes() const { return storage_ ? static_cast<int64_t>(storage_->bytes) : 0; }
  // What its memory is counted as (device_memory.h).
  void count_as(MemoryKind kind);
  // Moves and converts what is there; the tensors' handles follow.
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
  std::recursive_mutex first_use_;   // whoever fills in the memory uses the tensors
  std::atomic<bool> ready_ = false;  // the memory is there, and filled in
};

}  // namespace ripieno
