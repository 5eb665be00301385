// What the diagnoses of slow steps share.
#pragma once

#include <string>

#include "ripieno/tools/explain/diagnoses/finding.h"
#include "ripieno/tools/explain/run/step_times.h"

namespace ripieno::tools::explain {

// "230 ms", "1.23 s", "12.3 µs"
std::string duration(double seconds);

// Whether some host has fewer cores than its ranks have compute threads.
bool is_oversubscribed(const RunFacts& run);

// Evidence that other processes use the cores of a rank, or that its quota is too small; else
// empty. If there is some, a slow rank is explained by that, whatever phase it shows in.
std::string sharing_of(const RunFacts& run, const Rank& rank);

// "rank 3 (host b, pid 4711) takes 2.1 times as long for … as the median rank (…), which costs the
// others 43 % of each step". `what`: "data", "forward and backward".
Finding finding_of(const RunFacts& run, const Straggler& slow, const std::string& what);

}  // namespace ripieno::tools::explain
