// Fiber: a stack with a suspended computation that can be switched to and from.
//
// x86-64 only. Each stack has a guard page below it.
#pragma once

#include <cstddef>

namespace ripieno::simt {

class Fiber {
 public:
  Fiber();  // the stack that is running
  // `entry` must never return. `color` offsets the stack, so that fibers do not share cache sets.
  Fiber(std::size_t stack_bytes, std::size_t color, void (*entry)());
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Suspends this fiber, which must be running, and runs `to`. Returns when this is switched to.
  void switch_to(Fiber& to);
  // Discards the suspended computation: the next switch calls `entry` again.
  void restart();
  // Must be called first by `entry`.
  static void entered();

 private:
  void* stack_pointer_ = nullptr;
  char* stack_ = nullptr;
  std::size_t bytes_ = 0, color_ = 0;
  void (*entry_)() = nullptr;
  void* fake_stack_ = nullptr;        // of AddressSanitizer
  void* thread_sanitizer_ = nullptr;  // ThreadSanitizer's handle
};

}  // namespace ripieno::simt
