// start_alike: gives every rank the parameters and the optimizer's state of rank 0.
#pragma once

#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/strategies/options.h"

namespace ripieno::distributed {

// Broadcasts the parameters, the state tensors that any rank has used, the number of steps taken,
// the loss scale and the learning rate. State that is sharded already belongs to each rank and
// stays. A collective. Throws Error where it is sharded and `shard` is Shard::none.
void start_alike(optim::Optimizer& optimizer, Communicator& ranks, Shard shard);

}  // namespace ripieno::distributed
