// Sharded: the optimizer's state, and the gradients where asked, are divided among the ranks (ZeRO
// stages 1 and 2: Rajbhandari et al., 2020, arXiv 1910.02054); each rank updates what it owns, and
// the parameters stay replicated.
#pragma once

#include "ripieno/distributed/strategies/replicated.h"
#include "ripieno/distributed/strategies/sharded_optimizer.h"

namespace ripieno::distributed {

class Sharded final : public Replicated {
 public:
  // A collective.
  Sharded(const Replica& replica, OrderedWorker::Place place,
          const GradientReducer::MakeSum& make_sum, bool shards_gradients);

  bool after_update() override;
  void report(MemoryReport& report) override;

 private:
  ShardedOptimizer optimizer_;
};

}  // namespace ripieno::distributed
