// SharedMemory: a memory resource for tensors that the other ranks of the host can access; and
// SharedRegions, which finds out whether a tensor is in such memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "ripieno/core/device/memory.h"
#include "ripieno/distributed/communicators/mpi/shared_segments.h"

namespace ripieno::distributed {

class SharedMemory;

// All SharedMemory of one group and its duplicates. Thread-safe; but SharedMemory is created and
// destroyed by one thread at a time, so that all ranks number it equally.
class SharedRegions {
 public:
  // An address in shared memory: equal on all ranks if they allocated the same sizes in order.
  struct Location {
    int64_t region = -1;  // index of the SharedMemory in order of creation; -1: in none
    std::size_t offset = 0;
    bool operator==(const Location&) const = default;
  };

  // The location of this range, if one SharedMemory of this rank holds all of it.
  Location find(const std::byte* begin, std::size_t bytes) const;
  // The address of `location` in the memory of `rank`; its region must exist.
  std::byte* at(const Location& location, int rank) const;

 private:
  friend class SharedMemory;
  mutable std::mutex mutex_;
  int64_t next_ = 0;
  std::vector<SharedMemory*> all_;
};

class SharedMemory final : public MemoryResource {
 public:
  // segments: `bytes` of each rank.
  SharedMemory(std::unique_ptr<SharedSegments> segments, int rank, std::size_t bytes,
               std::shared_ptr<SharedRegions> regions);
  ~SharedMemory() override;

  // Allocates consecutively; memory is reused only once everything has been deallocated. Throws
  // Error if fewer than `bytes` are left. Thread-safe.
  void* allocate(std::size_t bytes) override;
  void deallocate(void* memory, std::size_t bytes) noexcept override;

 private:
  friend class SharedRegions;

  std::unique_ptr<SharedSegments> segments_;
  std::byte* begin_;
  std::size_t bytes_;
  std::shared_ptr<SharedRegions> regions_;
  int64_t region_ = 0;
  std::mutex mutex_;
  std::size_t used_ = 0;
  int blocks_ = 0;
};

}  // namespace ripieno::distributed
