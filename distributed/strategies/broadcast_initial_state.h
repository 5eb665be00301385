// broadcast_initial_state: gives every rank the parameters and optimizer state of rank 0.
#pragma once

#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/strategies/options.h"

namespace ripieno::distributed {

// Broadcasts from rank 0 the parameters, the state tensors that any rank has allocated, the number
// of steps taken, the loss scale and the learning rate. State that is already sharded differs per
// rank and is left as it is. A collective. Throws Error if it is sharded and `shard` is
// Shard::none.
void broadcast_initial_state(optim::Optimizer& optimizer, Communicator& ranks, Shard shard);

}  // namespace ripieno::distributed
