// Handshake: whether the ranks of a group start from the same facts, for whoever begins something
// that only works where they do.
#pragma once

#include <string>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

struct Fact {
  std::string name;   // as in "train.batch_size"
  std::string value;  // empty: there is none
};

// What most ranks say against what the others do, as "rank 2 on h3: train.batch_size is 16, rank 0
// on h1 has 32"; empty where all ranks have the same facts in the same order. The same text on
// every rank. A collective, whose cost does not grow with the facts while the ranks agree.
std::string disagreement(Communicator& communicator, const std::vector<Fact>& facts);

// A fact for each parameter: its element type, its shape, and whether it learns.
std::vector<Fact> facts_of(const Parameters& parameters);

// Throws ConfigurationError, on every rank, where there is a disagreement.
void require_agreement(Communicator& communicator, const std::vector<Fact>& facts);

}  // namespace ripieno::distributed
