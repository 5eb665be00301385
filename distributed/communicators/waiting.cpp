#include "ripieno/distributed/communicators/waiting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ripieno/core/error.h"

namespace ripieno::distributed {

std::chrono::steady_clock::time_point deadline_after(std::chrono::seconds timeout) {
  constexpr std::chrono::seconds kCentury = std::chrono::hours(24) * 365 * 100;
  return std::chrono::steady_clock::now() + std::min(timeout, kCentury);
}

void fail_waiting(std::chrono::seconds timeout, std::span<const int> missing) {
  const auto who = missing.empty() ? std::string("the other ranks")
                                   : fmt::format("rank{} {}", missing.size() > 1 ? "s" : "",
                                                 fmt::join(missing, ", "));
  throw CommunicationFailure(
      fmt::format("timed out after {} s waiting for {}", timeout.count(), who));
}

}  // namespace ripieno::distributed
