// Replicated: every rank keeps parameters, gradients and optimizer state; gradients are summed
// while backward runs (gradient_reducer.h).
#pragma once

#include <memory>

#include "ripieno/distributed/gradients/gradient_reducer.h"
#include "ripieno/distributed/strategies/micro_batches.h"

namespace ripieno::distributed {

class Replicated : public MicroBatches {
 public:
  // `place`: where sums are computed. A collective.
  Replicated(const Replica& replica, OrderedWorker::Place place,
             const GradientReducer::MakeSum& make_sum,
             const GradientReducer::MakeGradients& make_gradients = whole_gradients);

  Arena& gradients() override { return reducer_->gradients(); }
  void report(MemoryReport& report) override;
  std::size_t buckets() const override;

 protected:
  void begin_micro_batch(const Loss& part, bool more) final;
  void end_micro_batch() final;
  Loss finish(const Loss& part) final;

  GradientReducer& reducer() { return *reducer_; }

 private:
  // Shared with the hooks of the parameters, since the model may outlive this.
  std::shared_ptr<GradientReducer> reducer_;
};

}  // namespace ripieno::distributed
