// Counts calls of operator new. Requires linking allocations.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed::testing {

// Calls of operator new so far by this thread, and by all threads.
int64_t allocations();
int64_t allocations_of_all_threads();

// Allocations of steady-state steps: the minimum over 20 rounds of three concurrent steps on every
// rank. A round may allocate when the pool's lists grow; allocations of each step are in every
// round.
template <typename Step>
int64_t least_allocations_of(Communicator& ranks, const Step& step) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int round = 0; round < 20; ++round) {
    ranks.barrier();
    const int64_t before = allocations_of_all_threads();
    ranks.barrier();
    for (int i = 0; i < 3; ++i) step();
    ranks.barrier();
    least = std::min(least, allocations_of_all_threads() - before);
  }
  ranks.barrier();
  return least;
}

}  // namespace ripieno::distributed::testing
