// Fiber: a stack that a thread of the program can leave in the middle of a function, and come back
// to.
//
// x86-64 only. A guard page lies below each stack.
#pragma once

#include <cstddef>

namespace ripieno::simt {

class Fiber {
 public:
  Fiber();  // the stack that the program is running on
  // `entry` must never return. `colour` shifts the stack, so that many do not share cache sets.
  Fiber(std::size_t stack_bytes, std::size_t colour, void (*entry)());
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Leaves this, which is running, for `to`; returns when something switches back.
  void switch_to(Fiber& to);
  // Forgets what was suspended here: the next switch enters `entry` again.
  void restart();
  // What `entry` calls first.
  static void entered();

 private:
  void* stack_pointer_ = nullptr;
  char* stack_ = nullptr;
  std::size_t bytes_ = 0, colour_ = 0;
  void (*entry_)() = nullptr;
  void* fake_stack_ = nullptr;        // AddressSanitizer's
  void* thread_sanitizer_ = nullptr;  // ThreadSanitizer's name for it
};

}  // namespace ripieno::simt
