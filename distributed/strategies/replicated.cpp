#include "ripieno/distributed/strategies/replicated.h"

#include "ripieno/core/autograd.h"

namespace ripieno::distributed {

Replicated::Replicated(const Replica& replica, OrderedWorker::Mode mode,
                       const GradientReducer::MakeSum& make_sum,
                       const GradientReducer::MakeGradients& make_gradients)
    : MicroBatches(replica),
      reducer_(std::make_shared<GradientReducer>(replica.parameters(), replica.communicator,
                                                 replica.bucket_bytes, mode, make_sum,
                                                 make_gradients)) {
  const Parameters& parameters = replica.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    // Also for frozen parameters, which may be unfrozen later.
    Tensor(parameters.tensors()[i]).on_gradient([reducer = std::weak_ptr(reducer_), i] {
      if (const auto locked = reducer.lock()) locked->complete(i);
    });
  }
}

void Replicated::begin_micro_batch(const Loss& loss, bool more) {
  reducer_->begin(loss.sum, loss.count, more);
}

void Replicated::end_micro_batch() { reducer_->complete_all(); }

Loss Replicated::finish(const Loss&) {
  const Tensor& totals = reducer_->finish();
  return {totals.slice(0, 0, 1).reshape({}), totals.slice(0, 1, 2).reshape({})};
}

void Replicated::abandon_step() {
  MicroBatches::abandon_step();
  reducer_->abandon();
}

void Replicated::replay(const std::function<void()>& enqueue) {
  reducer_->communicator().replay(enqueue);
}

void Replicated::report(MemoryReport& report) {
  const int64_t kept = reducer_->kept_bytes();
  if (kept > 0) report.lines.push_back({.what = "buffers for compressed gradients", .bytes = kept});
}

std::size_t Replicated::buckets() const { return reducer_->trained_buckets(); }

}  // namespace ripieno::distributed
