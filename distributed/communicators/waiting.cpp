#include "ripieno/distributed/communicators/waiting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ripieno/core/error.h"

namespace ripieno::distributed {

void fail_waiting(std::chrono::seconds timeout, std::span<const int> missing) {
  const auto who = missing.empty() ? std::string("the other ranks")
                                   : fmt::format("rank{} {}", missing.size() > 1 ? "s" : "",
                                                 fmt::join(missing, ", "));
  throw CommunicationFailure(
      fmt::format("waited {} s for {}, which did not come", timeout.count(), who));
}

}  // namespace ripieno::distributed
