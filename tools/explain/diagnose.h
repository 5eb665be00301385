// Diagnose: all findings about a run, ranked.
#pragma once

#include <vector>

#include "ripieno/tools/explain/diagnoses/finding.h"

namespace ripieno::tools::explain {

// Every diagnosis there is, by family.
std::vector<Diagnosis> all_diagnoses();

// Roots first, then consequences, then what ended with the job; within a role the gravest and
// earliest first. Empty if nothing is wrong.
std::vector<Finding> diagnose(const RunFacts& run);

}  // namespace ripieno::tools::explain
