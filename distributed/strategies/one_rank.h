// OneRank: the strategy of a single rank, without communication; also the base class of strategies
// whose ranks step independently.
#pragma once

#include "ripieno/distributed/strategies/micro_batches.h"

namespace ripieno::distributed {

class OneRank : public MicroBatches {
 public:
  using MicroBatches::MicroBatches;

  std::string obstacle_to_replay() const override { return ""; }

 protected:
  void begin_micro_batch(const Loss&, bool) final {}
  void end_micro_batch() final {}
  Loss finish(const Loss& loss) final;

 private:
  Tensor kept_;  // (2) float64: sum and count of the last step's loss
};

}  // namespace ripieno::distributed
