// Small things that the ranks of a run tell each other: texts and numbers, over any communicator.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/distributed/communicator.h"

namespace ripieno {

// Every rank's text, in rank order, on every rank.
std::vector<std::string> gather(distributed::Communicator& communicator, const std::string& text);
std::vector<int64_t> gather(distributed::Communicator& communicator, int64_t value);
// The text of rank 0.
std::string from_rank_0(distributed::Communicator& communicator, const std::string& text);

}  // namespace ripieno
