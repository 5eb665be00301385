// ArenaParts: an arena whose parts have memory only while they are used.
//
// For gradients that are handed on as soon as they are complete. Used by one thread; what take()
// returns may be let go by any.
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
  // Each part is whole tensors with what lies between them; together they are the arena, in any
  // order. While this lives, the arena's tensors belong to it: each part gets memory from the
  // device's pool when one of its tensors is first used, with whatever numbers; what lies between
  // is zero. The arena outlives this, and is not used itself.
  ArenaParts(Arena& arena, std::vector<ElementRange> parts);
  ~ArenaParts();
  ArenaParts(const ArenaParts&) = delete;
  ArenaParts& operator=(const ArenaParts&) = delete;

  // The numbers of a part, (elements): its tensors have no memory any more. Goes before this does.
  Tensor take(std::size_t part);
  // The most that all parts and what was taken of them had at once.
  int64_t most_bytes() const { return memory_.most; }

 private:
  // The device's pool, and how much of it is here.
  struct Memory final : MemoryResource {
    explicit Memory(Device device) : source(pool(device)) {}
    void* allocate(std::size_t bytes) override;
    void deallocate(void* memory, std::size_t bytes) noexcept override;

    MemoryResource& source;
    std::atomic<int64_t> now = 0, most = 0;
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
