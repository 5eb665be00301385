#include "ripieno/distributed/strategies/sharded.h"

#include "ripieno/distributed/gradients/gradient_shard.h"

namespace ripieno::distributed {
namespace {

// Buckets that may wait to be summed while backward computes the next ones.
constexpr std::size_t kInFlight = 3;

GradientReducer::MakeGradients sharded_gradients(OrderedWorker::Mode mode) {
  const std::size_t in_flight = mode == OrderedWorker::Mode::in_thread ? kInFlight : 0;
  return [in_flight](const Parameters& parameters, Communicator& ranks) {
    return std::make_unique<GradientShard>(parameters, ranks.rank(), ranks.size(), in_flight);
  };
}

}  // namespace

Sharded::Sharded(const Replica& replica, OrderedWorker::Mode mode,
                 const GradientReducer::MakeSum& make_sum, bool shards_gradients)
    : Replicated(replica, mode, make_sum,
                 shards_gradients ? sharded_gradients(mode) : whole_gradients),
      optimizer_(replica.optimizer, reducer(), shards_gradients ? &reducer().gradients() : nullptr,
                 replica.communicator, mode) {}

bool Sharded::after_update() {
  optimizer_.finish();
  return true;
}

void Sharded::report(MemoryReport& report) {
  Replicated::report(report);
  report.lines.push_back(
      {.what = "buckets in flight", .bytes = reducer().transient_bytes(), .is_transient = true});
}

}  // namespace ripieno::distributed
