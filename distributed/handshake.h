// Handshake: checks at startup that all ranks have the same configuration and the same model.
#pragma once

#include <string>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::optim {
class Optimizer;
}

namespace ripieno::distributed {

// A named value that must be equal on all ranks.
struct Fact {
  std::string name;   // as in "train.batch_size"
  std::string value;  // as text; may be empty
};

// Which ranks differ from the majority, and how, as in "rank 2 on h3: train.batch_size is 16, rank
// 0 on h1 has 32"; empty if all ranks have the same facts in the same order. The same text on every
// rank. A collective; while the ranks agree it communicates one hash per rank.
std::string disagreement(Communicator& communicator, const std::vector<Fact>& facts);

// One fact per parameter: element type, shape, and whether it is frozen.
std::vector<Fact> facts_of(const Parameters& parameters);
// One fact per option: "optimizer.weight_decay".
std::vector<Fact> facts_of(const optim::Optimizer& optimizer);

// Throws ConfigurationError on every rank, with disagreement(), unless all ranks have the same
// facts. A collective.
void require_agreement(Communicator& communicator, const std::vector<Fact>& facts);

}  // namespace ripieno::distributed
