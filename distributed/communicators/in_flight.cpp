#include "ripieno/distributed/communicators/in_flight.h"

#include <fmt/format.h>

#include <map>

#include "ripieno/core/error.h"

namespace ripieno::distributed {

InFlight::Scope::Scope(InFlight& rank, const Collective& collective) : rank_(rank) {
  const std::lock_guard lock(rank_.mutex_);
  if (rank_.current_) {
    fail(fmt::format(
        "{}: {} of another communicator or thread of this rank is still in flight, and NCCL could "
        "deadlock; start a collective only after the previous one has returned",
        to_string(collective), to_string(*rank_.current_)));
  }
  rank_.current_ = collective;
}

InFlight::Scope::~Scope() {
  const std::lock_guard lock(rank_.mutex_);
  rank_.current_.reset();
}

InFlight& InFlight::on(Device device) {
  static std::mutex mutex;
  static auto& devices = *new std::map<int, InFlight>;
  const std::lock_guard lock(mutex);
  return devices[device.index];
}

}  // namespace ripieno::distributed
