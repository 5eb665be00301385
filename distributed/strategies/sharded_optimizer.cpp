#include "ripieno/distributed/strategies/sharded_optimizer.h"

#include "ripieno/core/trace.h"
#include "ripieno/distributed/communicators/naming_failures.h"
#include "ripieno/distributed/gradients/shards.h"

namespace ripieno::distributed {
namespace {

std::vector<ElementRange> owned_ranges(const std::vector<Bucket>& buckets,
                                       const optim::Optimizer& optimizer,
                                       const Communicator& ranks) {
  if (!optimizer.needs_whole_tensors()) return owned_by(buckets, ranks.rank(), ranks.size());
  return tensors_owned_by(buckets, optimizer.parameters().layout(), ranks.rank(), ranks.size());
}

}  // namespace

ShardedOptimizer::ShardedOptimizer(optim::Optimizer& optimizer, GradientReducer& reducer,
                                   Arena* gradients, Communicator& communicator,
                                   OrderedWorker::Mode mode)
    : optimizer_(optimizer),
      reducer_(reducer),
      worker_(
          static_cast<int>(reducer.buckets().size()), [this](int task) { gather(task); }, mode,
          optimizer.parameters().values().device()) {
  optimizer_.shard(
      {.ranges = owned_ranges(reducer.buckets(), optimizer, communicator),
       .gradients = gradients,
       .sum =
           [&communicator](const Tensor& x) {
             naming_failures([] { return std::string("norm of the gradients"); },
                             [&] { communicator.all_reduce(x); });
           },
       .updated = [this](std::size_t i) { worker_.release(static_cast<int>(i) + 1); }});
}

ShardedOptimizer::~ShardedOptimizer() { optimizer_.end_sharding(); }

// Skips buckets without trainable parameters.
void ShardedOptimizer::gather(int task) {
  const auto index = static_cast<std::size_t>(task);
  if (!reducer_.trains(index)) return;
  Arena& values = optimizer_.parameters().values();
  const Bucket& bucket = reducer_.buckets()[index];
  const trace::Scope traced({.name = "gather of a bucket", .bucket = task});
  naming_failures([&] { return "new values of " + name_of(bucket, values.layout()); },
                  [&] { gather(bucket, values.range(bucket.begin, bucket.end)); });
}

void ShardedOptimizer::gather(const Bucket& bucket, const Tensor& values) {
  Communicator& ranks = reducer_.communicator();
  if (!optimizer_.needs_whole_tensors()) return gather_shards(ranks, bucket, values);
  gather_tensors(ranks, bucket, optimizer_.parameters().layout(), values);
}

}  // namespace ripieno::distributed
