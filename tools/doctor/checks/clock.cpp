#include <fmt/format.h>

#include <cmath>

#include "ripieno/tools/doctor/checks/checks.h"

namespace ripieno::tools::doctor {
namespace {

constexpr const char* kSubject = "clock";
constexpr double kMostJumpSeconds = 0.2;

}  // namespace

std::vector<Finding> check_clock(const HostFacts& facts) {
  const double jump = facts.clock_jump_seconds;
  if (std::abs(jump) <= kMostJumpSeconds) return {ok(kSubject, "runs steadily")};
  return {found(
      kSubject, kClockJumps,
      fmt::format("it jumped {} by {:.3g} s", jump < 0 ? "backwards" : "forwards", std::abs(jump)),
      facts.host)};
}

}  // namespace ripieno::tools::doctor
