#include "ripieno/distributed/communicators/mpi/shared_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "ripieno/core/error.h"

namespace ripieno::distributed {

SharedRegions::Location SharedRegions::find(const std::byte* begin, std::size_t bytes) const {
  const std::lock_guard lock(mutex_);
  for (const SharedMemory* memory : all_) {
    const std::byte *first = memory->begin_, *end = first + memory->bytes_;
    const std::less_equal<> up_to;  // defined also for pointers into different objects
    if (up_to(first, begin) && up_to(begin + bytes, end)) {
      return {memory->region_, static_cast<std::size_t>(begin - first)};
    }
  }
  return {};
}

std::byte* SharedRegions::at(const Location& location, int rank) const {
  const std::lock_guard lock(mutex_);
  const auto memory = std::find_if(all_.begin(), all_.end(), [&](const SharedMemory* one) {
    return one->region_ == location.region;
  });
  return (*memory)->segments_->of(rank) + location.offset;
}

SharedMemory::SharedMemory(std::unique_ptr<SharedSegments> segments, int rank, std::size_t bytes,
                           std::shared_ptr<SharedRegions> regions)
    : segments_(std::move(segments)),
      begin_(segments_->of(rank)),
      bytes_(bytes),
      regions_(std::move(regions)) {
  const std::lock_guard lock(regions_->mutex_);
  region_ = regions_->next_++;
  regions_->all_.push_back(this);
}

SharedMemory::~SharedMemory() {
  const std::lock_guard lock(regions_->mutex_);
  std::erase(regions_->all_, this);
}

void* SharedMemory::allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const std::size_t needed = (bytes + kMemoryAlignment - 1) / kMemoryAlignment * kMemoryAlignment;
  if (needed > bytes_ - used_) {
    fail(fmt::format("shared memory: cannot allocate {} bytes, {} of {} are left", bytes,
                     bytes_ - used_, bytes_));
  }
  void* result = begin_ + used_;
  used_ += needed;
  ++blocks_;
  return result;
}

void SharedMemory::deallocate(void*, std::size_t) noexcept {
  const std::lock_guard lock(mutex_);
  if (--blocks_ == 0) used_ = 0;
}

}  // namespace ripieno::distributed
