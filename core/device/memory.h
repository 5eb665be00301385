// Where memory comes from: a MemoryResource, most often a pool of blocks.
//
// A pool keeps freed blocks, so that a training step that repeats allocates nothing from the system
// and reuses the same addresses. The pool of a device: pool() in stream.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace ripieno {

// Any number of threads may call it. Memory is aligned to kMemoryAlignment.
class MemoryResource {
 public:
  virtual ~MemoryResource() = default;
  // Throws OutOfMemory where there is not enough; allocate(0) may return null.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void deallocate(void* memory, std::size_t bytes) noexcept = 0;
};

inline constexpr std::size_t kMemoryAlignment = 256;

// Host memory straight from the system, without a pool.
MemoryResource& cpu_memory();

struct PoolStatistics {
  int64_t bytes_in_use = 0;
  int64_t bytes_held = 0;            // in use, and kept for later
  int64_t upstream_allocations = 0;  // since the program started
};

// Pool: blocks in size classes (four to each power of two) over an upstream resource.
//
// RIPIENO_POOL=off in the environment passes each call through, so that a memory checker sees it.
class Pool final : public MemoryResource {
 public:
  explicit Pool(MemoryResource& upstream);
  ~Pool() override;

  // Where upstream is out of memory, gives its free blocks back and tries once more.
  void* allocate(std::size_t bytes) override;
  void deallocate(void* memory, std::size_t bytes) noexcept override;

  PoolStatistics statistics() const;
  // Gives the blocks that are not in use back upstream.
  void trim();

 private:
  void* allocate_upstream(std::size_t size);
  void* pass_through(std::size_t bytes);

  struct State;
  std::unique_ptr<State> state_;
};

// The pool of host memory. It lives as long as the process.
Pool& cpu_pool();

// A standard allocator over the CPU's pool, for the small objects that every step makes anew.
template <typename T>
struct PoolAllocator {
  using value_type = T;

  PoolAllocator() = default;
  template <typename U>
  PoolAllocator(const PoolAllocator<U>&) {}

  T* allocate(std::size_t count) { return static_cast<T*>(cpu_pool().allocate(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t count) {
    cpu_pool().deallocate(memory, count * sizeof(T));
  }
  bool operator==(const PoolAllocator&) const = default;
};

}  // namespace ripieno
