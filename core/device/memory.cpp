#include "ripieno/core/device/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string_view>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/kernels/cpu_library.h"

namespace ripieno {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

class SystemCpuMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes) override {
    const bool huge = bytes >= kHugePage;
    const std::size_t alignment = huge ? kHugePage : kMemoryAlignment;
    void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory == nullptr) {
      throw OutOfMemory(
          fmt::format("memory: the host is out of memory; tried to allocate {} bytes", bytes));
    }
    if (huge) madvise(memory, bytes, MADV_HUGEPAGE);  // a hint: fewer page faults and TLB misses
    return memory;
  }
  void deallocate(void* memory, std::size_t) noexcept override { std::free(memory); }
};

// Size classes: 64 bytes, then four per power of two, so that at most a fifth is wasted.
constexpr std::size_t kSmallest = 64;
constexpr int kClasses = 4 * 42;

int class_of(std::size_t bytes) {
  if (bytes <= kSmallest) return 0;
  const int power =
      static_cast<int>(std::bit_width(bytes - 1)) - 1;  // 2^power < bytes <= 2^(power+1)
  const std::size_t step = std::size_t{1} << (power - 2);
  const auto quarter =
      static_cast<int>((bytes - (std::size_t{1} << power) + step - 1) / step);  // 1..4
  return (power - 6) * 4 + quarter;
}

std::size_t size_of_class(int index) {
  if (index == 0) return kSmallest;
  const int power = (index - 1) / 4 + 6;
  const auto quarter = static_cast<std::size_t>((index - 1) % 4 + 1);
  return (std::size_t{1} << power) + quarter * (std::size_t{1} << (power - 2));
}

bool pools_are_off() {
  static const bool off = [] {
    const char* setting = std::getenv("RIPIENO_POOL");
    return setting != nullptr && std::string_view(setting) == "off";
  }();
  return off;
}

}  // namespace

MemoryResource& cpu_memory() {
  static SystemCpuMemory memory;
  return memory;
}

// The blocks of one size class. The lowest free address is reused first, whatever order blocks were
// freed in, so a step that repeats sees the same addresses.
struct Bin {
  void put(void* memory) {
    free.push_back(memory);
    std::push_heap(free.begin(), free.end(), std::greater<>());
  }
  void* take_lowest() {
    std::pop_heap(free.begin(), free.end(), std::greater<>());
    void* const memory = free.back();
    free.pop_back();
    return memory;
  }

  std::vector<void*> free;  // a heap
  std::size_t created = 0;
};

struct Pool::State {
  explicit State(MemoryResource& resource) : upstream(resource) {}

  MemoryResource& upstream;
  mutable std::mutex mutex;
  std::array<Bin, kClasses> bins;
  PoolStatistics statistics;
  int keeps = 0;  // Keep objects
};

Pool::Pool(MemoryResource& upstream) : state_(std::make_unique<State>(upstream)) {}
Pool::~Pool() { trim(); }

void* Pool::allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  if (pools_are_off()) return pass_through(bytes);
  const int index = class_of(bytes);
  if (index >= kClasses) {
    throw OutOfMemory(
        fmt::format("memory: cannot allocate {} bytes, more than any device has", bytes));
  }
  const std::size_t size = size_of_class(index);
  Bin& bin = state_->bins[static_cast<std::size_t>(index)];
  {
    const std::lock_guard lock(state_->mutex);
    if (!bin.free.empty()) {
      state_->statistics.bytes_in_use += static_cast<int64_t>(size);
      return bin.take_lowest();
    }
  }
  void* const memory = allocate_upstream(size);
  const std::lock_guard lock(state_->mutex);
  ++bin.created;
  // Reserves space for the return of every block, so that deallocate() never allocates.
  if (bin.free.capacity() < bin.created) bin.free.reserve(2 * bin.created);
  state_->statistics.bytes_held += static_cast<int64_t>(size);
  state_->statistics.bytes_in_use += static_cast<int64_t>(size);
  ++state_->statistics.upstream_allocations;
  return memory;
}

// Called without the lock: the upstream resource may trim this pool, as the second attempt does.
void* Pool::allocate_upstream(std::size_t size) {
  try {
    return state_->upstream.allocate(size);
  } catch (const OutOfMemory&) {
    trim();
  }
  return state_->upstream.allocate(size);
}

void* Pool::pass_through(std::size_t bytes) {
  void* const memory = state_->upstream.allocate(bytes);
  const std::lock_guard lock(state_->mutex);
  state_->statistics.bytes_in_use += static_cast<int64_t>(bytes);
  return memory;
}

void Pool::deallocate(void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr) return;
  const int index = class_of(bytes);
  const std::lock_guard lock(state_->mutex);
  if (pools_are_off()) {
    state_->statistics.bytes_in_use -= static_cast<int64_t>(bytes);
    return state_->upstream.deallocate(memory, bytes);
  }
  state_->statistics.bytes_in_use -= static_cast<int64_t>(size_of_class(index));
  state_->bins[static_cast<std::size_t>(index)].put(memory);
}

bool Pool::reuses_blocks() { return !pools_are_off(); }

PoolStatistics Pool::statistics() const {
  const std::lock_guard lock(state_->mutex);
  return state_->statistics;
}

void Pool::trim() {
  const std::lock_guard lock(state_->mutex);
  if (state_->keeps > 0) return;
  const int64_t held = state_->statistics.bytes_held;
  for (int index = 0; index < kClasses; ++index) {
    Bin& bin = state_->bins[static_cast<std::size_t>(index)];
    const std::size_t size = size_of_class(index);
    for (void* memory : bin.free) state_->upstream.deallocate(memory, size);
    state_->statistics.bytes_held -= static_cast<int64_t>(bin.free.size() * size);
    bin.created -= bin.free.size();
    bin.free.clear();
  }
  if (state_->statistics.bytes_held < held) ++state_->statistics.trims;
}

Pool::Keep::Keep(Pool& pool) : pool_(pool) {
  const std::lock_guard lock(pool_.state_->mutex);
  ++pool_.state_->keeps;
}

Pool::Keep::~Keep() {
  const std::lock_guard lock(pool_.state_->mutex);
  --pool_.state_->keeps;
}

Pool& cpu_pool() {
  // Never destroyed: tensors in static storage may be destroyed after it.
  static Pool& pool = *[] {
    if (const auto mismatch = kernels::cpu_library_mismatch(); !mismatch.empty())
      throw ConfigurationError(mismatch);
    return new Pool(cpu_memory());
  }();
  return pool;
}

}  // namespace ripieno
