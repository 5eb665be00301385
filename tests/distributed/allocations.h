// Counts what is taken from operator new; link allocations.cpp.
#pragma once

#include <cstdint>

namespace ripieno::distributed::testing {

int64_t allocations();  // of this thread
int64_t allocations_of_all_threads();

}  // namespace ripieno::distributed::testing
