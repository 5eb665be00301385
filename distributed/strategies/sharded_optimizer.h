// ShardedOptimizer: shards an optimizer's state over the ranks (ZeRO stage 1: Rajbhandari et al.,
// 2020, arXiv:1910.02054).
//
// Each rank updates the range that it owns of each bucket (shards.h). Updated values are gathered
// from the other ranks while the next buckets are updated.
#pragma once

#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/communicators/ordered_worker.h"
#include "ripieno/distributed/gradients/gradient_reducer.h"

namespace ripieno::distributed {

class ShardedOptimizer {
 public:
  // Shards by the buckets of `reducer`, over whose communicator updated values are gathered.
  // gradients: the gradients of this rank's shard; null for the parameters' own. communicator: used
  // by the calling thread for the norm of the gradients. All must outlive this. After its
  // destruction the optimizer throws Error in step(), until it is sharded again.
  ShardedOptimizer(optim::Optimizer& optimizer, GradientReducer& reducer, Arena* gradients,
                   Communicator& communicator, OrderedWorker::Mode mode);
  ~ShardedOptimizer();
  ShardedOptimizer(const ShardedOptimizer&) = delete;
  ShardedOptimizer& operator=(const ShardedOptimizer&) = delete;

  // Call after each optimizer step: returns once this rank has the updated values of all ranks. A
  // collective.
  void finish() { worker_.finish(); }

 private:
  void gather(int task);
  void gather(const Bucket& bucket, const Tensor& values);

  optim::Optimizer& optimizer_;
  GradientReducer& reducer_;
  OrderedWorker worker_;  // last member: its thread uses those above
};

}  // namespace ripieno::distributed
