// ArenaParts: allocates each range of an arena only while it is in use.
//
// For gradients that are passed on as soon as they are complete. Not thread-safe, except that
// tensors returned by take() may be released by any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "ripieno/core/arena/arena.h"
#include "ripieno/core/device/stream.h"

namespace ripieno {

class ArenaParts {
 public:
  // `parts`: ranges of whole tensors and the padding after them, which cover the arena, in any
  // order. While this object exists it provides the memory of the arena's tensors, and the arena
  // itself must not be used: each part gets uninitialized memory from the device's pool when one of
  // its tensors is first used; its padding is zero. The arena must outlive this object.
  ArenaParts(Arena& arena, std::vector<ElementRange> parts);
  ~ArenaParts();
  ArenaParts(const ArenaParts&) = delete;
  ArenaParts& operator=(const ArenaParts&) = delete;

  // Moves the memory of a part into a tensor (elements), which must be destroyed before this
  // object. The part's own tensors are unallocated afterwards.
  Tensor take(std::size_t part);
  // The peak size in bytes of all parts together, including those returned by take().
  int64_t peak_size_bytes() const { return memory_.peak; }

 private:
  // The device's pool, with a count of the bytes that are allocated through this object.
  struct Memory final : MemoryResource {
    explicit Memory(Device device) : source(pool(device)) {}
    void* allocate(std::size_t bytes) override;
    void deallocate(void* memory, std::size_t bytes) noexcept override;

    MemoryResource& source;
    std::atomic<int64_t> current = 0, peak = 0;
  };
  struct Part final : LazyMemory {
    void materialize() override;
    void bind(std::shared_ptr<Storage> storage);

    ArenaParts* parts = nullptr;
    ElementRange range;
    std::size_t first_entry = 0, entries_end = 0;
  };

  Arena& arena_;
  Memory memory_;
  std::vector<Part> parts_;
};

}  // namespace ripieno
