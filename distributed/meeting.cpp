#include "ripieno/distributed/meeting.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"

namespace ripieno::distributed {

Meeting::Meeting(int size)
    : called_(static_cast<std::size_t>(size)),
      out_(static_cast<std::size_t>(size)),
      in_(static_cast<std::size_t>(size)) {}

void Meeting::post(int rank, const Collective& collective, std::byte* out, const std::byte* in) {
  const auto mine = static_cast<std::size_t>(rank);
  called_[mine] = collective;
  out_[mine] = out;
  in_[mine] = in;
  arrive();
  require_same(called_);
}

void Meeting::arrive() {
  std::unique_lock lock(mutex_);
  if (left_ >= 0) fail_as_left();
  const int64_t generation = generation_;
  if (++arrived_ == size()) {
    arrived_ = 0;
    ++generation_;
    changed_.notify_all();
    return;
  }
  changed_.wait(lock, [&] { return generation_ != generation || left_ >= 0; });
  if (generation_ == generation) fail_as_left();
}

void Meeting::leave(int rank) {
  const std::lock_guard lock(mutex_);
  if (left_ < 0) left_ = rank;
  changed_.notify_all();
}

void Meeting::fail_as_left() const {
  throw CommunicationFailure(
      fmt::format("rank {} has left the group; what ended it stands in its own message", left_));
}

}  // namespace ripieno::distributed
