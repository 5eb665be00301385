// The table of a profile: where the time of its steps went, by operation.
#pragma once

#include <string>

#include "ripieno/training/profile/recorded.h"

namespace ripieno::profiles {

// Several lines of at most 100 columns. Shares are of the time of the recorded steps; those of a
// thread's operations and of its time outside of operations add up to 100 %.
std::string table_of(const Recorded& recorded, int rank, int ranks);

}  // namespace ripieno::profiles
