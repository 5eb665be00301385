// SharedMemory: memory of this rank that tensors are allocated from and that the other ranks of the
// host see; and SharedRegions, which says whether a tensor lies in such memory.
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

// The shared memory of one group and its duplicates. Any number of threads may call it; the memory
// itself is made and freed by one at a time, so that the ranks count alike.
class SharedRegions {
 public:
  // Where something lies: the same on every rank where the ranks allocated alike.
  struct Place {
    int64_t region = -1;  // -1: in none
    std::size_t offset = 0;
    bool operator==(const Place&) const = default;
  };

  Place find(const std::byte* begin, std::size_t bytes) const;
  // What lies there on `rank`.
  std::byte* at(const Place& place, int rank) const;

 private:
  friend class SharedMemory;
  mutable std::mutex mutex_;
  int64_t next_ = 0;
  std::vector<SharedMemory*> all_;
};

class SharedMemory final : public MemoryResource {
 public:
  // `segments` has `bytes` of each rank.
  SharedMemory(std::unique_ptr<SharedSegments> segments, int rank, std::size_t bytes,
               std::shared_ptr<SharedRegions> regions);
  ~SharedMemory() override;

  // One after another; what is given back is free once all is. Throws Error where `bytes` are more
  // than are left.
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
