// Scheduler: decides which CUDA thread of a block runs next, and implements waiting. Private to
// simt.
//
// CUDA threads run on one host thread, which switches only where a CUDA thread waits: at a barrier,
// in a warp collective, or at its end. So a missing barrier gives results that depend on the order
// of threads, and tests use several orders.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/kernels/emulator/dimensions.h"
#include "ripieno/kernels/emulator/emulation.h"
#include "ripieno/kernels/emulator/fiber.h"
#include "ripieno/kernels/emulator/shared_memory.h"

namespace ripieno::simt {

inline constexpr unsigned kLanes = 32;
inline constexpr unsigned kMaxThreads = 1024;

// A collective of a warp, from the first lane that arrives until the last one has read the values.
struct Gathering {
  unsigned mask = 0, arrived = 0, unread = 0;
  Collective kind{};
  Location where;
  alignas(16) unsigned char values[kLanes][16];
};

class Scheduler {
 public:
  static Scheduler& instance();

  void run_grid(dim3 grid, dim3 block, std::size_t shared_bytes, void (*body)(void*),
                void* argument);

  // Called by the running CUDA thread.
  void barrier(Location where);
  Gathered gather(unsigned mask, Collective kind, const void* value, unsigned bytes,
                  Location where);
  void done_reading(const Gathered& gathered);
  unsigned lane() const { return current_ % kLanes; }
  SharedMemory& shared_memory() { return shared_memory_; }
  [[noreturn]] void fail(const std::string& what) const;

  std::vector<std::string> barriers_met() const;

 private:
  enum class State { kFresh, kRunnable, kWaiting, kReturned };
  struct Thread {
    uint3 index;
    State state = State::kFresh;
    bool at_barrier = false;
    const char* waits_in = "";
    Location where;
    Fiber* on = nullptr;
    Fiber* assigned[2] = {};  // used under ThreadSanitizer
  };
  struct Warp {
    unsigned runnable = 0, present = 0;  // lanes
    std::vector<std::unique_ptr<Gathering>> gatherings;
  };

  static void run_threads();
  void prepare(dim3 grid, dim3 block, std::size_t shared_bytes);
  void run_block(uint3 block);
  void reset_threads();
  void abandon_block();
  int run_body();

  Fiber* fiber_for(unsigned thread);
  void switch_to(Fiber* fiber);
  void go_to(unsigned thread);
  void enter(unsigned thread);
  void wake(unsigned thread);
  int next_thread();
  uint64_t random();
  void wait(const char* what, Location where);

  void wait_at_barrier(Location where);
  void release_barrier();
  void note_barrier(Location where);
  Gathering& gathering_for(Warp& warp, unsigned mask, Collective kind, Location where);

  std::string name_of(unsigned thread) const;
  [[noreturn]] void report_stuck(const char* what) const;

  Schedule schedule_;
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
  std::exception_ptr failure_;
  uint64_t random_state_ = 1, blocks_begun_ = 0;

  std::vector<Thread> threads_;
  std::array<Warp, kMaxThreads / kLanes> warps_;
  unsigned thread_count_ = 0, warp_count_ = 0, runnable_warps_ = 0;
  unsigned current_ = 0, next_fresh_ = 0, living_ = 0, returned_ = 0;

  unsigned at_barrier_ = 0, barriers_passed_ = 0;
  Location barrier_site_;
  std::vector<Location> barrier_sites_;

  SharedMemory shared_memory_;
  Fiber* program_ = nullptr;  // the host thread that launched
  Fiber* running_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;

  // Synchronization objects for ThreadSanitizer: they order blocks that reuse the same shared
  // memory (every second one), and the accesses before and after a barrier.
  unsigned parity_ = 0;
  char launch_order_ = 0, block_order_[4] = {}, barrier_order_[2] = {};
  std::array<char, kMaxThreads / kLanes> warp_order_{};
};

}  // namespace ripieno::simt
