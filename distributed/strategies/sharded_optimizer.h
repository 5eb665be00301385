// ShardedOptimizer: spreads an optimizer's state over the ranks (ZeRO stage 1: Rajbhandari et al.,
// 2020, arXiv 1910.02054).
//
// Each rank updates what it owns of each bucket (shards.h), and sends the new values to the others
// while it updates the next buckets.
#pragma once

#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/communicators/ordered_worker.h"
#include "ripieno/distributed/gradients/gradient_reducer.h"

namespace ripieno::distributed {

class ShardedOptimizer {
 public:
  // Shards by the buckets of `reducer`. `gradients`: those of what this rank owns, or null: the
  // parameters' own. `meeting` is used by the calling thread; with a thread of its own, values
  // travel over the reducer's communicator. All outlive this, and the optimizer takes no step after
  // it.
  ShardedOptimizer(optim::Optimizer& optimizer, GradientReducer& reducer, Arena* gradients,
                   Communicator& meeting, OrderedWorker::Place place);
  ~ShardedOptimizer();
  ShardedOptimizer(const ShardedOptimizer&) = delete;
  ShardedOptimizer& operator=(const ShardedOptimizer&) = delete;

  // After each step of the optimizer: returns once this rank has the values of all ranks.
  void finish() { worker_.finish(); }

 private:
  void gather(int piece);
  void gather(const Bucket& bucket, const Tensor& values);

  optim::Optimizer& optimizer_;
  GradientReducer& reducer_;
  OrderedWorker worker_;  // last: its thread uses all of these
};

}  // namespace ripieno::distributed
