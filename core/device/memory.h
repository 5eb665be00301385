// Where memory comes from: a MemoryResource, most often the block pool of a device.
//
// A pool keeps what it is given back, so that a training step that repeats takes nothing from the
// system and sees the same addresses again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ripieno/core/device/device.h"

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

// Straight from the system or the driver, without a pool.
MemoryResource& system_memory(Device device);

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

  void* allocate(std::size_t bytes) override;
  void deallocate(void* memory, std::size_t bytes) noexcept override;

  PoolStatistics statistics() const;
  // Gives the blocks that are not in use back upstream.
  void trim();

 private:
  void* pass_through(std::size_t bytes);

  struct State;
  std::unique_ptr<State> state_;
};

// The CPU's pool, or that of the current stream of a GPU (stream.h): a block of it that is free may
// still be used by work that the stream was given before, and by no other. It lives as long as the
// process.
Pool& pool(Device device);

// Of all pools of a device: a GPU has one a stream.
PoolStatistics pool_statistics(Device device);
// Gives what none of them uses back to the driver, once the device has done its work.
void trim_pools(Device device);

// A standard allocator over the CPU's pool, for the small objects that every step makes anew.
template <typename T>
struct PoolAllocator {
  using value_type = T;

  PoolAllocator() = default;
  template <typename U>
  PoolAllocator(const PoolAllocator<U>&) {}

  T* allocate(std::size_t count) {
    return static_cast<T*>(pool(Device::cpu()).allocate(count * sizeof(T)));
  }
  void deallocate(T* memory, std::size_t count) {
    pool(Device::cpu()).deallocate(memory, count * sizeof(T));
  }
  bool operator==(const PoolAllocator&) const = default;
};

}  // namespace ripieno
