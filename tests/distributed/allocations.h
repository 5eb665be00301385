// Counts what is taken from operator new; link allocations.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed::testing {

int64_t allocations();  // of this thread
int64_t allocations_of_all_threads();

// What steps take once they are steady: of 20 rounds of three steps on every rank at once, that of
// the least. The pool's lists still grow where threads meet in a new way; what each step takes
// shows always.
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
