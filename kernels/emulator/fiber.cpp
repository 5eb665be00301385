#include "ripieno/kernels/emulator/fiber.h"

#include <pthread.h>
#include <sys/mman.h>

#include <new>

#include "ripieno/kernels/emulator/sanitizers.h"

// Saves the callee-saved registers, switches stacks, and restores those of the other stack.
extern "C" void simt_switch_stacks(void** from, void* to);
asm(R"(
.text
.globl simt_switch_stacks
.type simt_switch_stacks,@function
simt_switch_stacks:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
.size simt_switch_stacks,.-simt_switch_stacks
.section .note.GNU-stack,"",@progbits
.text
)");

namespace ripieno::simt {
namespace {

constexpr std::size_t kPage = 4096;
constexpr int kSavedRegisters = 6;

}  // namespace

Fiber::Fiber() {
  pthread_attr_t attributes;
  void* stack = nullptr;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &stack, &bytes_);
    pthread_attr_destroy(&attributes);
  }
  stack_ = static_cast<char*>(stack);
#if defined(SIMT_THREAD_SANITIZER)
  thread_sanitizer_ = __tsan_get_current_fiber();
#endif
}

Fiber::Fiber(std::size_t stack_bytes, std::size_t color, void (*entry)())
    : bytes_((stack_bytes + kPage - 1) / kPage * kPage), color_(color % kPage), entry_(entry) {
  void* const memory = mmap(nullptr, bytes_ + kPage, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, kPage, PROT_NONE);
  stack_ = static_cast<char*>(memory) + kPage;
#if defined(SIMT_THREAD_SANITIZER)
  thread_sanitizer_ = __tsan_create_fiber(0);
#endif
  restart();
}

Fiber::~Fiber() {
  if (entry_) munmap(stack_ - kPage, bytes_ + kPage);
}

void Fiber::restart() {
  unpoison(stack_, bytes_);
  auto** top = reinterpret_cast<void**>(stack_ + bytes_ - color_ / 16 * 16);
  *--top = nullptr;  // a return address, which also aligns the stack as functions expect
  *--top = reinterpret_cast<void*>(entry_);
  for (int i = 0; i < kSavedRegisters; ++i) *--top = nullptr;
  stack_pointer_ = top;
}

void Fiber::switch_to(Fiber& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fake_stack_, to.stack_, to.bytes_);
#endif
#if defined(SIMT_THREAD_SANITIZER)
  __tsan_switch_to_fiber(to.thread_sanitizer_, __tsan_switch_to_fiber_no_sync);
#endif
  simt_switch_stacks(&stack_pointer_, to.stack_pointer_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::entered() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

}  // namespace ripieno::simt
