// ProcessBarrier: a barrier for processes that share memory; it lies in that memory, zeros at
// first.
#pragma once

#include <atomic>
#include <cstdint>

namespace ripieno::distributed {

class ProcessBarrier {
 public:
  // Returns once `size` processes have called it. What they wrote before can be read after. Waits
  // awake for some microseconds, then asleep, so that the core is free for the computation.
  void arrive(int size);

 private:
  void wait_while(uint32_t generation);

  alignas(64) std::atomic<uint32_t> arrived_ = 0;
  alignas(64) std::atomic<uint32_t> generation_ = 0;
  alignas(64) std::atomic<uint32_t> asleep_ = 0;
};

static_assert(std::atomic<uint32_t>::is_always_lock_free);

}  // namespace ripieno::distributed
