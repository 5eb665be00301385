// The output of `ripieno explain`, as text for a terminal of 80 columns and as JSON.
#pragma once

#include <string>
#include <vector>

#include "ripieno/io/files/json.h"
#include "ripieno/tools/explain/diagnoses/finding.h"

namespace ripieno::tools::explain {

// Ranks whose training threads are at the same place.
struct Place {
  std::vector<int> ranks = {};
  std::string position = {};            // "step > communication > all_reduce 1842"
  std::vector<std::string> stack = {};  // innermost first; empty if no stack was written
};
// The smallest groups first, since outliers are suspects.
std::vector<Place> places_of(const RunFacts& run);

// `findings`: as of diagnose(). The first cause is last.
std::string to_text(const RunFacts& run, const std::vector<Finding>& findings);
nlohmann::json to_json(const RunFacts& run, const std::vector<Finding>& findings);

}  // namespace ripieno::tools::explain
