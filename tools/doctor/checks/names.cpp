#include <fmt/format.h>

#include "ripieno/tools/doctor/checks/checks.h"
#include "ripieno/tools/table.h"

namespace ripieno::tools::doctor {
namespace {

constexpr const char* kSubject = "host names";

bool is_loopback(uint32_t address) { return address >> 24 == 127; }

void check_own(const HostFacts& facts, const ResolvedName& own, std::vector<Finding>& findings) {
  if (own.state == ResolvedName::State::unknown) {
    findings.push_back(found(kSubject, kOwnNameUnresolved,
                             fmt::format("{} does not resolve to an address", own.name),
                             facts.host));
  } else if (facts.ranks > facts.ranks_on_host && is_loopback(own.address)) {
    findings.push_back(found(kSubject, kNameIsLoopback,
                             fmt::format("{} resolves to a loopback address", own.name),
                             facts.host));
  }
}

}  // namespace

std::vector<Finding> check_names(const HostFacts& facts) {
  std::vector<Finding> findings;
  for (std::size_t i = 0; i < facts.names.size(); ++i) {
    const auto& name = facts.names[i];
    if (name.state == ResolvedName::State::no_answer) {
      findings.push_back(found(kSubject, kResolverHangs,
                               fmt::format("no answer for {} within 4 s", name.name), facts.host));
    } else if (i == 0) {
      check_own(facts, name, findings);
    } else if (name.state == ResolvedName::State::unknown) {
      findings.push_back(found(kSubject, kUnresolved,
                               fmt::format("{} does not resolve to an address", name.name),
                               facts.host));
    }
  }
  if (!findings.empty()) return findings;
  if (facts.names.empty()) return {not_checked(kSubject, "no name is known")};
  return {ok(kSubject, fmt::format("{} resolved, {} first",
                                   counted(std::ssize(facts.names), "name"), facts.names[0].name))};
}

}  // namespace ripieno::tools::doctor
