// MemoryResource: where memory is allocated, usually from a Pool of blocks.
//
// A pool keeps freed blocks, so a training step that repeats allocates nothing from the system and
// reuses the same addresses. pool() in stream.h returns the pool of a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace ripieno {

// Thread-safe. Memory is aligned to kMemoryAlignment.
class MemoryResource {
 public:
  virtual ~MemoryResource() = default;
  // Throws OutOfMemory if too little memory is free. allocate(0) may return null.
  virtual void* allocate(std::size_t bytes) = 0;
  // `bytes` must be the size that was allocated.
  virtual void deallocate(void* memory, std::size_t bytes) noexcept = 0;
};

inline constexpr std::size_t kMemoryAlignment = 256;

// Host memory from the system, without a pool.
MemoryResource& cpu_memory();

struct PoolStatistics {
  int64_t bytes_in_use = 0;
  int64_t bytes_held = 0;            // in use, or kept for reuse
  int64_t upstream_allocations = 0;  // since the pool was created
  int64_t trims = 0;                 // that returned blocks
};

// Pool: blocks in size classes (four per power of two), allocated from an upstream resource.
//
// With RIPIENO_POOL=off in the environment every call is passed to the upstream resource, so that a
// memory checker sees it.
class Pool final : public MemoryResource {
 public:
  explicit Pool(MemoryResource& upstream);
  ~Pool() override;

  // If the upstream resource is out of memory, frees the unused blocks and tries once more.
  void* allocate(std::size_t bytes) override;
  void deallocate(void* memory, std::size_t bytes) noexcept override;

  // Whether freed blocks are reused: false with RIPIENO_POOL=off.
  static bool reuses_blocks();

  PoolStatistics statistics() const;
  // Returns the unused blocks to the upstream resource, unless a Keep exists.
  void trim();

  // The pool keeps its unused blocks while one exists: recorded work uses their addresses
  // (device_graph.h).
  class Keep {
   public:
    explicit Keep(Pool& pool);
    ~Keep();
    Keep(const Keep&) = delete;
    Keep& operator=(const Keep&) = delete;

   private:
    Pool& pool_;
  };

 private:
  void* allocate_upstream(std::size_t size);
  void* pass_through(std::size_t bytes);

  struct State;
  std::unique_ptr<State> state_;
};

// The pool of host memory; it lives as long as the process. Throws ConfigurationError if the CPU
// kernel library does not match the program.
Pool& cpu_pool();

// A standard allocator that uses the CPU's pool, for small objects that are created in every step.
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
