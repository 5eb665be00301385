// Waiting: deadlines that no timeout overflows, and what every communicator says about ranks that
// miss one.
#pragma once

#include <chrono>
#include <span>

namespace ripieno::distributed {

// Now + timeout, or a century from now if the timeout is longer than that.
std::chrono::steady_clock::time_point deadline_after(std::chrono::seconds timeout);

// Throws CommunicationFailure: how long it waited, and for which ranks (none: it is not known).
[[noreturn]] void fail_waiting(std::chrono::seconds timeout, std::span<const int> missing);

}  // namespace ripieno::distributed
