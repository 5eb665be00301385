#include "ripieno/tools/explain/diagnose.h"

#include <algorithm>
#include <tuple>

namespace ripieno::tools::explain {
namespace {

bool is_root(const Finding& finding, Stage stage) {
  return finding.role == Role::root && finding.stage == stage;
}

// A signal from outside may have ended a run that already did not proceed.
bool is_from_outside(const Finding& finding) {
  return finding.code == "R-HOST-03" || finding.code == "R-HOST-04";
}

// A run that stalls and a rank that fails have one cause: the failure explains the stall, unless it
// came from outside, after the stall.
void relate_stalls_and_failures(std::vector<Finding>& findings) {
  const bool is_stalled = std::any_of(findings.begin(), findings.end(), [](const auto& finding) {
    return is_root(finding, Stage::stall);
  });
  const bool has_failed = std::any_of(findings.begin(), findings.end(), [](const auto& finding) {
    return is_root(finding, Stage::failure) && !is_from_outside(finding);
  });
  for (auto& finding : findings) {
    if (has_failed && is_root(finding, Stage::stall)) finding.role = Role::consequence;
    if (is_stalled && !has_failed && is_root(finding, Stage::failure))
      finding.role = Role::teardown;
  }
}

// The loss of a host ends the ranks of all hosts.
void relate_lost_hosts_and_signals(const RunFacts& run, std::vector<Finding>& findings) {
  if (run.launch.lost.empty()) return;
  for (auto& finding : findings) {
    if (is_from_outside(finding)) finding.role = Role::teardown;
  }
}

// If nothing explains why ranks waited in vain, that is what is known.
void promote_unexplained(std::vector<Finding>& findings) {
  const bool is_explained = std::any_of(findings.begin(), findings.end(), [](const auto& finding) {
    return is_root(finding, Stage::failure) || is_root(finding, Stage::stall);
  });
  if (is_explained) return;
  for (auto& finding : findings) {
    if (finding.code == "R-END-01") finding.role = Role::root;
  }
}

}  // namespace

std::vector<Diagnosis> all_diagnoses() {
  std::vector<Diagnosis> all;
  for (const auto family :
       {memory_diagnoses(), host_diagnoses(), program_diagnoses(), number_diagnoses(),
        data_diagnoses(), checkpoint_diagnoses(), hang_diagnoses(), network_diagnoses(),
        slow_diagnoses(), end_diagnoses()})
    all.insert(all.end(), family.begin(), family.end());
  return all;
}

std::vector<Finding> diagnose(const RunFacts& run) {
  std::vector<Finding> findings;
  for (const auto& diagnosis : all_diagnoses()) {
    for (auto& finding : diagnosis.find(run)) {
      finding.code = diagnosis.code;
      finding.stage = diagnosis.stage;
      if (finding.remedy.empty()) finding.remedy = diagnosis.remedy;
      findings.push_back(std::move(finding));
    }
  }
  relate_lost_hosts_and_signals(run, findings);
  relate_stalls_and_failures(findings);
  promote_unexplained(findings);
  std::stable_sort(findings.begin(), findings.end(), [](const auto& a, const auto& b) {
    return std::tie(a.role, a.stage, a.time) < std::tie(b.role, b.stage, b.time);
  });
  return findings;
}

}  // namespace ripieno::tools::explain
