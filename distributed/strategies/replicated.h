// Replicated: the strategy in which every rank keeps all parameters, gradients and optimizer state,
// and gradients are summed while backward runs (gradient_reducer.h).
#pragma once

#include <memory>

#include "ripieno/distributed/gradients/gradient_reducer.h"
#include "ripieno/distributed/strategies/micro_batches.h"

namespace ripieno::distributed {

class Replicated : public MicroBatches {
 public:
  // mode: in which thread gradients are summed. A collective, and so is the destruction.
  Replicated(const Replica& replica, OrderedWorker::Mode mode,
             const GradientReducer::MakeSum& make_sum,
             const GradientReducer::MakeGradients& make_gradients = whole_gradients);

  Arena& gradients() override { return reducer_->gradients(); }
  void report(MemoryReport& report) override;
  std::size_t buckets() const override;
  std::string obstacle_to_replay() const override { return reducer_->obstacle_to_recording(); }
  void abandon_step() override;
  void replay(const std::function<void()>& enqueue) override;
  std::size_t hooks() const override { return 1; }

 protected:
  void begin_micro_batch(const Loss& loss, bool more) final;
  void end_micro_batch() final;
  Loss finish(const Loss& loss) final;

  GradientReducer& reducer() { return *reducer_; }

 private:
  // Hooks of the parameters hold weak pointers to it, since the model may outlive this.
  std::shared_ptr<GradientReducer> reducer_;
};

}  // namespace ripieno::distributed
