// The emulator's annotations for AddressSanitizer and ThreadSanitizer; they do nothing in builds
// without them.
//
// The build defines SIMT_THREAD_SANITIZER if kernels are instrumented by ThreadSanitizer. The
// emulator's own files are not instrumented: its switches between fibers would order accesses that
// CUDA does not order.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(SIMT_THREAD_SANITIZER)
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace ripieno::simt {

#if defined(SIMT_THREAD_SANITIZER)
inline constexpr bool kThreadSanitizer = true;
inline void ignore_memory() {
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
inline void watch_memory() {
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
}
inline void release(void* order) { __tsan_release(order); }
inline void acquire(void* order) { __tsan_acquire(order); }
#else
inline constexpr bool kThreadSanitizer = false;
inline void ignore_memory() {}
inline void watch_memory() {}
inline void release(void*) {}
inline void acquire(void*) {}
#endif

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
inline void poison(void* memory, std::size_t bytes) { ASAN_POISON_MEMORY_REGION(memory, bytes); }
inline void unpoison(void* memory, std::size_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
}
#else
inline constexpr bool kAddressSanitizer = false;
inline void poison(void*, std::size_t) {}
inline void unpoison(void*, std::size_t) {}
#endif

// While it exists, accesses are ignored, so that the emulator's own are not reported as races.
struct Unwatched {
  Unwatched() { ignore_memory(); }
  ~Unwatched() { watch_memory(); }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

}  // namespace ripieno::simt
