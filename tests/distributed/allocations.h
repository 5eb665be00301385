// Counts what this thread takes from operator new; link allocations.cpp.
#pragma once

#include <cstdint>

namespace ripieno::distributed::testing {

int64_t allocations();

}  // namespace ripieno::distributed::testing
