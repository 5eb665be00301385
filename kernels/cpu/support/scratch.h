// Scratch memory of kernels: one buffer per thread and use, grown on demand and never freed before
// the thread ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace ripieno::kernels::cpu {

// What the scratch is for. Uses that overlap in time need different names.
enum class Scratch {
  kPacked,
  kLeft,
  kRight,
  kOut,
  kAttention,
  kAttentionBlock,
  kAttentionQueries,
  kConvolutionIn,
  kConvolutionWeight,
  kConvolutionOut,
  kCount
};

// At least `size` elements, aligned to a cache line, uninitialized. Valid until the thread's next
// call with the same use.
template <typename A>
A* scratch(Scratch use, int64_t size) {
  constexpr size_t kAlignment = 64;
  struct Free {
    void operator()(void* memory) const {
      ::operator delete (memory, std::align_val_t{kAlignment});
    }
  };
  struct Buffer {
    std::unique_ptr<void, Free> memory;
    int64_t size = 0;
  };
  thread_local Buffer buffers[static_cast<size_t>(Scratch::kCount)];
  Buffer& buffer = buffers[static_cast<size_t>(use)];
  if (buffer.size < size) {
    buffer.memory.reset(
        ::operator new (static_cast<size_t>(size) * sizeof(A), std::align_val_t{kAlignment}));
    buffer.size = size;
  }
  return static_cast<A*>(buffer.memory.get());
}

}  // namespace ripieno::kernels::cpu
