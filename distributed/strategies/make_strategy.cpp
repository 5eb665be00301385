#include "ripieno/distributed/strategies/make_strategy.h"

#include "ripieno/core/error.h"
#include "ripieno/distributed/gradients/power_sgd.h"
#include "ripieno/distributed/gradients/shards.h"
#include "ripieno/distributed/gradients/wire.h"
#include "ripieno/distributed/strategies/broadcast_initial_state.h"
#include "ripieno/distributed/strategies/diloco.h"
#include "ripieno/distributed/strategies/one_rank.h"
#include "ripieno/distributed/strategies/replicated.h"
#include "ripieno/distributed/strategies/sharded.h"
#include "ripieno/distributed/strategies/strict.h"

namespace ripieno::distributed {
namespace {

void reject_if(bool invalid, const char* why) {
  if (invalid) throw ConfigurationError(std::string("data parallel: ") + why);
}

GradientReducer::MakeSum sum_of(const optim::Optimizer& optimizer,
                                const DataParallelOptions& options) {
  if (options.power_sgd_rank > 0) {
    return [parameters = optimizer.parameters(), rank = options.power_sgd_rank](
               Communicator& ranks) { return sum_by_power_sgd(parameters, rank, ranks); };
  }
  if (options.wire == DType::bfloat16) return sum_over_bfloat16_wire;
  // Shards of whole tensors differ in length, which reduce_scatter does not support.
  const bool is_whole = options.shard == Shard::none || optimizer.needs_whole_tensors();
  return is_whole ? sum_by_all_reduce : sum_by_reduce_scatter;
}

}  // namespace

void check(const DataParallelOptions& options) {
  if (options.wire != DType::float32 && options.wire != DType::bfloat16) {
    throw ConfigurationError("parallel.wire must be float32 or bfloat16, got " +
                             std::string(name_of(options.wire)));
  }
  const bool compresses = options.power_sgd_rank > 0;
  const bool narrow = options.wire != DType::float32;
  const bool diloco = options.diloco.steps > 0;
  const bool strict = options.slots > 0;
  reject_if(strict && (compresses || narrow || diloco),
            "parallel.strict cannot be combined with parallel.wire=bfloat16, "
            "parallel.power_sgd_rank or parallel.diloco_steps, which change the sums of gradients");
  reject_if(
      options.shard != Shard::none && (strict || diloco),
      "parallel.shard cannot be combined with parallel.strict or parallel.diloco_steps, for which "
      "each rank requires all gradients and optimizer state");
  reject_if(
      compresses && options.shard == Shard::gradients,
      "parallel.power_sgd_rank cannot be combined with parallel.shard=gradients, since PowerSGD "
      "requires the whole gradient of a step; use parallel.shard=optimizer");
  reject_if(compresses && (diloco || narrow),
            "parallel.power_sgd_rank cannot be combined with parallel.diloco_steps or "
            "parallel.wire=bfloat16");
}

std::unique_ptr<Strategy> make_strategy(const Replica& replica,
                                        const DataParallelOptions& options) {
  check(options);
  optim::Optimizer& optimizer = replica.optimizer;
  Communicator& ranks = replica.communicator;
  reject_if(
      optimizer.scales_loss() && (options.power_sgd_rank > 0 || options.diloco.steps > 0),
      "a float16 model cannot be combined with parallel.power_sgd_rank, whose error feedback would "
      "keep non-finite values, or with parallel.diloco_steps, whose ranks would use different loss "
      "scales; use bfloat16");
  reject_if(
      optimizer.needs_whole_tensors() && options.shard == Shard::gradients,
      "parallel.shard=gradients shards within tensors, but this optimizer requires whole tensors; "
      "use parallel.shard=optimizer");
  if (options.diloco.steps > 0) optimizer.keep(Diloco::kOuterMomentum);
  if (ranks.size() > 1) broadcast_initial_state(optimizer, ranks, options.shard);

  const auto sum = sum_of(optimizer, options);
  const auto mode =
      options.overlap ? OrderedWorker::Mode::in_thread : OrderedWorker::Mode::in_finish;
  if (options.slots > 0) return std::make_unique<Strict>(replica, options.slots);
  if (options.diloco.steps > 0) {
    return std::make_unique<Diloco>(replica, sum(ranks), options.diloco);
  }
  if (ranks.size() == 1) return std::make_unique<OneRank>(replica);
  if (options.shard == Shard::none) return std::make_unique<Replicated>(replica, mode, sum);
  return std::make_unique<Sharded>(replica, mode, sum, options.shard == Shard::gradients);
}

}  // namespace ripieno::distributed
