// ShardedOptimizer: spreads an optimizer's state over the ranks (ZeRO stage 1: Rajbhandari et al.,
// 2020, arXiv 1910.02054).
//
// Each rank updates what it owns of each bucket (shards.h), and hands the new values to the others
// while it updates the next buckets.
#pragma once

#include <vector>

#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/communicators/ordered_worker.h"
#include "ripieno/distributed/gradients/buckets.h"

namespace ripieno::distributed {

class ShardedOptimizer {
 public:
  // `gradients`: where what this rank owns has its gradients, or null: in the parameters'.
  // `meeting` is the caller's thread's; with a thread of its own, values travel over `gathering`.
  // All outlive this, and the optimizer takes no step after it.
  ShardedOptimizer(optim::Optimizer& optimizer, std::vector<Bucket> buckets, Arena* gradients,
                   Communicator& meeting, Communicator& gathering, OrderedWorker::Place place);
  ~ShardedOptimizer();
  ShardedOptimizer(const ShardedOptimizer&) = delete;
  ShardedOptimizer& operator=(const ShardedOptimizer&) = delete;

  // After each step of the optimizer: returns once this rank has everybody's values.
  void finish() { worker_.finish(); }

 private:
  void gather(int piece);

  optim::Optimizer& optimizer_;
  std::vector<Bucket> buckets_;
  Communicator& gathering_;
  OrderedWorker worker_;  // last: its thread uses all of these
};

}  // namespace ripieno::distributed
