// Waiting: deadlines that do not overflow, and the timeout error that all communicators throw.
#pragma once

#include <chrono>
#include <span>

namespace ripieno::distributed {

// Now + timeout, or a century from now if the timeout is longer than that.
std::chrono::steady_clock::time_point deadline_after(std::chrono::seconds timeout);

// Throws CommunicationFailure: "timed out after 600 s waiting for rank 1". missing: the ranks that
// did not arrive, empty if unknown.
[[noreturn]] void fail_waiting(std::chrono::seconds timeout, std::span<const int> missing);

}  // namespace ripieno::distributed
