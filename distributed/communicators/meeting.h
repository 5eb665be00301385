// Meeting: what the ranks of one in-process group share: a barrier that does not wait for ranks
// that have left, nor forever, and a place for each rank to post what it brings.
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

  // Posts what `rank` brings and returns once every rank has. What they brought can be read until
  // the next arrive() of this rank. Throws Error where they differ in the collective.
  void post(int rank, const Collective& collective, std::byte* out, const std::byte* in,
            std::chrono::seconds timeout);
  const std::byte* in(int rank) const { return in_[static_cast<std::size_t>(rank)]; }
  const std::byte* out(int rank) const { return out_[static_cast<std::size_t>(rank)]; }

  // Returns once every rank has arrived. Throws CommunicationFailure where one has left for good,
  // or does not come in time.
  void arrive(int rank, std::chrono::seconds timeout);
  void leave(int rank);

 private:
  [[noreturn]] void fail_as_left() const;
  std::vector<int> missing(int64_t generation) const;

  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  int64_t generation_ = 0;
  std::vector<int64_t> reached_;  // (size) the generation that a rank arrived at last
  int left_ = -1;                 // the first rank that left

  std::vector<Collective> called_;    // (size)
  std::vector<std::byte*> out_;       // (size)
  std::vector<const std::byte*> in_;  // (size)
};

}  // namespace ripieno::distributed
