// ProcessBarrier: a barrier for processes that share memory, and that notices which of them does
// not come any more.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

namespace ripieno::distributed {

class ProcessBarrier {
 public:
  // What each rank has of it in the memory that all see, zeros at first.
  struct Part {
    // Rank 0's are used.
    alignas(64) std::atomic<uint32_t> arrived = 0;
    alignas(64) std::atomic<uint32_t> generation = 0;
    alignas(64) std::atomic<uint32_t> asleep = 0;
    // Each rank's own.
    alignas(64) std::atomic<uint32_t> reached = 0;  // the generation that it waits to end
    std::atomic<pid_t> process = 0;
    std::atomic<ino_t> processes = 0;  // the namespace in which `process` is its number
  };
  static_assert(std::atomic<uint32_t>::is_always_lock_free);

  // `parts`: every rank's, which outlive this.
  ProcessBarrier(std::vector<Part*> parts, int rank);

  // Returns once every rank has called it. What they wrote before can be read after. Waits awake
  // for some microseconds, then asleep, so that the core is free for the computation. Throws
  // CommunicationFailure that names the ranks that did not come in time, or one whose process has
  // ended.
  void arrive(std::chrono::seconds timeout);

 private:
  void wait_while(uint32_t generation, std::chrono::seconds timeout);
  std::vector<int> missing(uint32_t generation) const;
  void fail_if_ended(uint32_t generation) const;

  std::vector<Part*> parts_;  // (size)
  Part& mine_;
  Part& shared_;
};

}  // namespace ripieno::distributed
