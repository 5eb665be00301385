// Failures that another failure caused: who else ended, and how.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ripieno/tools/explain/diagnoses/deaths.h"

namespace ripieno::tools::explain {
namespace {

using Failures = std::vector<const Failure*>;

// One finding for several failures.
Finding together(const RunFacts& run, const Failures& failures, const std::string& what) {
  Finding finding = finding_of(run, *failures.front(), "");
  finding.ranks.clear();
  for (const auto* failure : failures) finding.ranks.push_back(run.ranks[failure->index].number());
  std::sort(finding.ranks.begin(), finding.ranks.end());
  finding.text = fmt::format("{} {}", ranks_text(finding.ranks), what);
  return finding;
}

std::vector<Finding> find_lost_peers(const RunFacts& run) {
  Failures lost;
  for (const auto& failure : run.failures) {
    const bool has_waited =
        failure.kind == Failure::Kind::peer_lost || failure.kind == Failure::Kind::watchdog;
    if (has_waited && failure.role == Role::consequence) lost.push_back(&failure);
  }
  if (lost.empty()) return {};
  const auto first = std::find_if(lost.begin(), lost.end(),
                                  [](const auto* failure) { return !failure->message.empty(); });
  std::string what = "gave up waiting for other ranks";
  if (first != lost.end()) what += ": " + (*first)->message;
  return {together(run, lost, what)};
}

std::vector<Finding> find_torn_down(const RunFacts& run) {
  std::map<int, Failures> by_signal;
  for (const auto& failure : run.failures) {
    if (failure.role == Role::teardown) by_signal[failure.signal].push_back(&failure);
  }
  std::vector<Finding> found;
  for (const auto& [signal, failures] : by_signal) {
    found.push_back(
        together(run, failures,
                 fmt::format("{} ended by {} after that, by mpirun or the launcher",
                             failures.size() == 1 ? "was" : "were", signal_text(signal))));
  }
  return found;
}

std::vector<Finding> find_later_failures(const RunFacts& run) {
  std::vector<Finding> found;
  for (const auto& failure : run.failures) {
    if (failure.role != Role::consequence) continue;
    const std::string name = who(run.ranks[failure.index]);
    if (failure.kind == Failure::Kind::error) {
      found.push_back(error_of(run, failure));
    } else if (failure.kind == Failure::Kind::crashed || failure.kind == Failure::Kind::killed) {
      found.push_back(finding_of(
          run, failure, fmt::format("{} ended by {} later", name, signal_text(failure.signal))));
    }
  }
  return found;
}

constexpr std::string_view kNothing = "nothing: remove the cause";

constexpr Diagnosis kDiagnoses[] = {
    {"R-END-01", "ranks waited for others in vain", Stage::failure,
     "look at the ranks that they waited for; if nothing is known of those, at their hosts and the "
     "network",
     find_lost_peers},
    {"R-END-02", "ranks were ended with the job", Stage::failure, kNothing, find_torn_down},
    {"R-END-03", "ranks failed after another one", Stage::failure, kNothing, find_later_failures},
};

}  // namespace

std::span<const Diagnosis> end_diagnoses() { return kDiagnoses; }

}  // namespace ripieno::tools::explain
