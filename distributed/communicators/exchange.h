// Small things that the ranks of a group tell each other: texts and numbers, over any communicator.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

// Every rank's text, in rank order, on every rank.
std::vector<std::string> gather(Communicator& communicator, const std::string& text);
std::vector<int64_t> gather(Communicator& communicator, int64_t value);
// The text of rank 0.
std::string from_rank_0(Communicator& communicator, const std::string& text);

}  // namespace ripieno::distributed
