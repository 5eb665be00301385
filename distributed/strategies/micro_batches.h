// MicroBatches: the part of a strategy that cuts a rank's rows into micro-batches and adds up their
// losses.
#pragma once

#include "ripieno/distributed/strategies/strategy.h"

namespace ripieno::distributed {

class MicroBatches : public Strategy {
 public:
  explicit MicroBatches(const Replica& replica) : replica_(replica) {}

  void backward(const Loss& loss, bool more) final;
  void backward(int64_t rows, const LossOf& loss_of) final;
  void backward_nothing() final;
  Loss finish_gradients() final;
  Arena& gradients() override { return replica_.parameters().gradients(); }

 protected:
  // Around the backward of each micro-batch; `part` is this rank's loss of the step so far.
  virtual void begin_micro_batch(const Loss& part, bool more) = 0;
  virtual void end_micro_batch() = 0;
  // As finish_gradients(), of a step in which this rank's loss is `part`.
  virtual Loss finish(const Loss& part) = 0;

  const Replica& replica() const { return replica_; }

 private:
  void add(const Loss& loss);

  Replica replica_;
  Loss part_;  // this rank's, of the step so far
};

}  // namespace ripieno::distributed
