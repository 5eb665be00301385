// MicroBatches: base of strategies that cut a rank's rows into micro-batches; it sums their losses
// and measures the time of backward.
#pragma once

#include "ripieno/distributed/strategies/strategy.h"

namespace ripieno::distributed {

class MicroBatches : public Strategy {
 public:
  explicit MicroBatches(const Replica& replica) : replica_(replica) {}

  void backward(const Loss& loss, bool more) final;
  void backward(int64_t rows, const LossOf& loss_of) final;
  void backward_without_rows() final;
  Loss finish_gradients() final;
  void abandon_step() override { loss_ = {}; }
  Arena& gradients() override { return replica_.parameters().gradients(); }

 protected:
  // Called before and after the backward of each micro-batch. loss: this rank's loss of the step so
  // far; more: whether this rank has further micro-batches in this step.
  virtual void begin_micro_batch(const Loss& loss, bool more) = 0;
  virtual void end_micro_batch() = 0;
  // Implements finish_gradients(). loss: this rank's loss of the step.
  virtual Loss finish(const Loss& loss) = 0;

  const Replica& replica() const { return replica_; }

 private:
  void add(const Loss& loss);

  Replica replica_;
  Loss loss_;  // this rank's loss of the step so far
};

}  // namespace ripieno::distributed
