// ProcessBarrier: a barrier with a timeout in shared memory, for the processes of one host. It also
// fails when one of them has ended.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

namespace ripieno::distributed {

class ProcessBarrier {
 public:
  // One rank's share of the barrier, in memory that all ranks can access; initially zeros.
  struct Part {
    // Used by all ranks in rank 0's part only.
    alignas(64) std::atomic<uint32_t> arrived = 0;
    alignas(64) std::atomic<uint32_t> generation = 0;
    alignas(64) std::atomic<uint32_t> asleep = 0;
    // Written by the rank that owns the part.
    alignas(64) std::atomic<uint32_t> reached = 0;  // 1 + the generation of its last arrive()
    std::atomic<pid_t> process = 0;
    std::atomic<ino_t> processes = 0;  // PID namespace of `process`; 0: unknown
  };
  static_assert(std::atomic<uint32_t>::is_always_lock_free);

  // parts: (size), one per rank; they must outlive this.
  ProcessBarrier(std::vector<Part*> parts, int rank);

  // Returns once every rank has called it; their earlier writes are then visible. Spins for some
  // microseconds, then sleeps, so that the core is free for computation. Throws
  // CommunicationFailure with the ranks that did not arrive within `timeout`, or with one whose
  // process has ended.
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
