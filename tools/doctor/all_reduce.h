// Measures an all-reduce of all ranks of a job, and checks its sum.
#pragma once

#include <cstdint>
#include <vector>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::tools::doctor {

struct AllReduceFacts {
  std::vector<int64_t> wrong_elements;  // (ranks): those with a wrong sum, by rank
  double small_seconds = 0;             // of 4 bytes, the median
  int64_t bytes = 0;                    // of the largest that was measured
  double seconds = 0;                   // it took, at best
};

// Sizes grow while an all-reduce takes less than a tenth of a second. A collective.
AllReduceFacts measure_all_reduce(distributed::Communicator& all);

// As in calibration files: the time of one of 2 (ranks - 1) messages, and bytes per second.
double latency_of(const AllReduceFacts& facts, int ranks);
double bytes_per_second_of(const AllReduceFacts& facts, int ranks);

}  // namespace ripieno::tools::doctor
