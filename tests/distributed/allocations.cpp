#include "distributed/allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

thread_local int64_t of_this_thread = 0;
std::atomic<int64_t> of_all_threads = 0;

void count() {
  ++of_this_thread;
  ++of_all_threads;
}

void* counted(std::size_t bytes) {
  count();
  if (void* memory = std::malloc(bytes > 0 ? bytes : 1)) return memory;
  throw std::bad_alloc();
}

void* counted(std::size_t bytes, std::align_val_t alignment) {
  count();
  const auto to = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(to, (bytes + to) / to * to)) return memory;
  throw std::bad_alloc();
}

}  // namespace

namespace ripieno::distributed::testing {

int64_t allocations() { return of_this_thread; }
int64_t allocations_of_all_threads() { return of_all_threads; }

}  // namespace ripieno::distributed::testing

void* operator new(std::size_t bytes) { return counted(bytes); }
// std::stable_sort allocates its buffer with this, and frees it with operator delete below.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return counted(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, alignment);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
