// RankStatistics: sums batch statistics over the ranks for the layers of a model
// (statistics_sum.h).
#pragma once

#include <memory>

#include "ripieno/core/statistics_sum.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

class RankStatistics final : public StatisticsSum {
 public:
  // Uses a duplicate of `communicator`, which must outlive this: forwards sum while gradients are
  // summed. A collective.
  explicit RankStatistics(Communicator& communicator) : ranks_(communicator.duplicate()) {}

  void sum(const Tensor& x) override;
  // Throws Error on every rank if other ranks sum statistics, since they have more micro-batches in
  // this step, which would otherwise wait for ever. A collective.
  void end_step();

 private:
  std::unique_ptr<Communicator> ranks_;
};

}  // namespace ripieno::distributed
