#include "ripieno/distributed/process_barrier.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace ripieno::distributed {
namespace {

constexpr int kSpins = 300;

void spin_once() { __builtin_ia32_pause(); }

// std::atomic::wait() works inside one process only.
void sleep_while(std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT, value, nullptr, nullptr, 0);
}

void wake_all(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

void ProcessBarrier::arrive(int size) {
  const uint32_t generation = generation_.load();
  if (arrived_.fetch_add(1) + 1 < static_cast<uint32_t>(size)) return wait_while(generation);
  arrived_.store(0);
  generation_.store(generation + 1);
  // Whoever says later that it is asleep finds the new generation and stays awake.
  if (asleep_.load() > 0) wake_all(generation_);
}

void ProcessBarrier::wait_while(uint32_t generation) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (generation_.load() != generation) return;
    spin_once();
  }
  asleep_.fetch_add(1);
  while (generation_.load() == generation) sleep_while(generation_, generation);
  asleep_.fetch_sub(1);
}

}  // namespace ripieno::distributed
