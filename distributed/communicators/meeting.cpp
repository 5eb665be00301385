#include "ripieno/distributed/communicators/meeting.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/waiting.h"

namespace ripieno::distributed {

Meeting::Meeting(int size)
    : reached_(static_cast<std::size_t>(size), -1),
      called_(static_cast<std::size_t>(size)),
      out_(static_cast<std::size_t>(size)),
      in_(static_cast<std::size_t>(size)) {}

void Meeting::post(int rank, const Collective& collective, std::byte* out, const std::byte* in,
                   std::chrono::seconds timeout) {
  const auto mine = static_cast<std::size_t>(rank);
  called_[mine] = collective;
  out_[mine] = out;
  in_[mine] = in;
  arrive(rank, timeout);
  require_same(called_);
}

void Meeting::arrive(int rank, std::chrono::seconds timeout) {
  std::unique_lock lock(mutex_);
  if (left_ >= 0) fail_with_left_rank();
  const int64_t generation = generation_;
  reached_[static_cast<std::size_t>(rank)] = generation;
  if (++arrived_ == size()) {
    arrived_ = 0;
    ++generation_;
    changed_.notify_all();
    return;
  }
  const bool in_time = changed_.wait_until(lock, deadline_after(timeout),
                                           [&] { return generation_ != generation || left_ >= 0; });
  if (!in_time) fail_waiting(timeout, missing(generation));
  if (generation_ == generation) fail_with_left_rank();
}

std::vector<int> Meeting::missing(int64_t generation) const {
  std::vector<int> result;
  for (int rank = 0; rank < size(); ++rank) {
    if (reached_[static_cast<std::size_t>(rank)] != generation) result.push_back(rank);
  }
  return result;
}

void Meeting::leave(int rank) {
  const std::lock_guard lock(mutex_);
  if (left_ < 0) left_ = rank;
  changed_.notify_all();
}

void Meeting::fail_with_left_rank() const {
  throw CommunicationFailure(
      fmt::format("rank {} has left the group; see its own error message for the cause", left_));
}

}  // namespace ripieno::distributed
