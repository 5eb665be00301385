// Meeting: the barrier of an in-process group of ranks. It times out, fails if a rank has left, and
// shows every rank the collective that the others called, with their buffers.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

#include "ripieno/distributed/communicators/collective.h"

namespace ripieno::distributed {

class Meeting {
 public:
  explicit Meeting(int size);

  int size() const { return static_cast<int>(called_.size()); }

  // Posts the call and buffers of `rank` and returns once every rank has posted. in() and out() of
  // all ranks are then valid until this rank's next arrive(). Throws Error if the ranks called
  // different collectives, and as arrive().
  void post(int rank, const Collective& collective, std::byte* out, const std::byte* in,
            std::chrono::seconds timeout);
  const std::byte* in(int rank) const { return in_[static_cast<std::size_t>(rank)]; }
  const std::byte* out(int rank) const { return out_[static_cast<std::size_t>(rank)]; }

  // A barrier. Throws CommunicationFailure if a rank has left or does not arrive within `timeout`.
  void arrive(int rank, std::chrono::seconds timeout);
  // Removes `rank` from the group: arrive() then throws on all other ranks.
  void leave(int rank);

 private:
  [[noreturn]] void fail_with_left_rank() const;
  std::vector<int> missing(int64_t generation) const;

  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  int64_t generation_ = 0;
  std::vector<int64_t> reached_;  // (size) generation of each rank's last arrive()
  int left_ = -1;                 // the first rank that left; -1: none

  std::vector<Collective> called_;    // (size)
  std::vector<std::byte*> out_;       // (size)
  std::vector<const std::byte*> in_;  // (size)
};

}  // namespace ripieno::distributed
