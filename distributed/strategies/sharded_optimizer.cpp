#include "ripieno/distributed/strategies/sharded_optimizer.h"

#include <utility>

#include "ripieno/distributed/communicators/naming_failures.h"
#include "ripieno/distributed/gradients/shards.h"

namespace ripieno::distributed {

ShardedOptimizer::ShardedOptimizer(optim::Optimizer& optimizer, std::vector<Bucket> buckets,
                                   Arena* gradients, Communicator& meeting, Communicator& gathering,
                                   OrderedWorker::Place place)
    : optimizer_(optimizer),
      buckets_(std::move(buckets)),
      gathering_(gathering),
      worker_(
          static_cast<int>(buckets_.size()), [this](int piece) { gather(piece); }, place,
          optimizer.parameters().values().device()) {
  optimizer_.shard(
      {.ranges = owned_by(buckets_, meeting.rank(), meeting.size()),
       .gradients = gradients,
       .sum =
           [&meeting](const Tensor& x) {
             naming_failures([] { return std::string("norm of the gradients"); },
                             [&] { meeting.all_reduce(x); });
           },
       .updated = [this](std::size_t i) { worker_.release(static_cast<int>(i) + 1); }});
}

ShardedOptimizer::~ShardedOptimizer() { optimizer_.end_sharding(); }

void ShardedOptimizer::gather(int piece) {
  Arena& values = optimizer_.parameters().values();
  const Bucket& bucket = buckets_[static_cast<std::size_t>(piece)];
  naming_failures(
      [&] { return "new values of " + name_of(bucket, values.layout()); },
      [&] { gather_shards(gathering_, bucket, values.range(bucket.begin, bucket.end)); });
}

}  // namespace ripieno::distributed
