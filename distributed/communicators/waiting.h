// Waiting: what every communicator says of ranks that did not come in time.
#pragma once

#include <chrono>
#include <span>

namespace ripieno::distributed {

// Throws CommunicationFailure: how long it waited, and for which ranks (none: it is not known).
[[noreturn]] void fail_waiting(std::chrono::seconds timeout, std::span<const int> missing);

}  // namespace ripieno::distributed
