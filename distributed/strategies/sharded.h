// Sharded: the strategy in which optimizer state, and optionally gradients, are sharded over the
// ranks (ZeRO stages 1 and 2: Rajbhandari et al., 2020, arXiv:1910.02054). Each rank updates the
// parameters that it owns; parameters are replicated.
#pragma once

#include "ripieno/distributed/strategies/replicated.h"
#include "ripieno/distributed/strategies/sharded_optimizer.h"

namespace ripieno::distributed {

class Sharded final : public Replicated {
 public:
  // shards_gradients: ZeRO stage 2, else stage 1. A collective, and so is the destruction.
  Sharded(const Replica& replica, OrderedWorker::Mode mode,
          const GradientReducer::MakeSum& make_sum, bool shards_gradients);

  bool after_update() override;
  std::string obstacle_to_replay() const override {
    return "parallel.shard: shards are padded in memory that a graph does not keep";
  }
  void report(MemoryReport& report) override;

 private:
  ShardedOptimizer optimizer_;
};

}  // namespace ripieno::distributed
