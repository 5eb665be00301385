// Collectives for small values: gather texts and numbers, or broadcast a text, over any
// communicator.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

// The values of all ranks, in rank order, on every rank: (size). Texts may differ in length. A
// collective.
std::vector<std::string> gather(Communicator& communicator, const std::string& text);
std::vector<int64_t> gather(Communicator& communicator, int64_t value);
// Rank 0's text, on every rank; that of other ranks is ignored. A collective.
std::string from_rank_0(Communicator& communicator, const std::string& text);

}  // namespace ripieno::distributed
