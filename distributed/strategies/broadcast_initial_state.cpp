#include "ripieno/distributed/strategies/broadcast_initial_state.h"

#include <cstring>

#include "ripieno/core/error.h"

namespace ripieno::distributed {
namespace {

struct Progress {
  double learning_rate = 0;
  optim::LossScale loss_scale;  // includes the number of steps taken
};

void broadcast_progress(optim::Optimizer& optimizer, Communicator& ranks) {
  Progress progress{optimizer.learning_rate(), optimizer.loss_scale_state()};
  const Tensor bytes({sizeof progress}, DType::uint8);
  std::memcpy(bytes.raw_data(), &progress, sizeof progress);
  ranks.broadcast(bytes, 0);
  if (ranks.rank() == 0) return;
  std::memcpy(&progress, bytes.raw_data(), sizeof progress);
  optimizer.set_learning_rate(progress.learning_rate);
  optimizer.set_loss_scale_state(progress.loss_scale);
}

void broadcast_state(optim::Optimizer& optimizer, Communicator& ranks) {
  const auto state = optimizer.state();
  const Tensor allocated({static_cast<int64_t>(state.size())}, DType::int64);
  for (std::size_t i = 0; i < state.size(); ++i) {
    allocated.data<int64_t>()[i] = state[i].arena->has_memory();
  }
  ranks.all_reduce(allocated);
  for (std::size_t i = 0; i < state.size(); ++i) {
    if (allocated.data<int64_t>()[i] > 0) ranks.broadcast(state[i].arena->flat(), 0);
  }
}

}  // namespace

void broadcast_initial_state(optim::Optimizer& optimizer, Communicator& ranks, Shard shard) {
  ranks.broadcast(optimizer.parameters().values().flat(), 0);
  if (shard == Shard::none && optimizer.is_sharded())
    fail(
        "data parallel: parallel.shard is none, but the optimizer's state is already sharded; use "
        "the same parallel.shard as before");
  broadcast_progress(optimizer, ranks);
  if (!optimizer.is_sharded()) broadcast_state(optimizer, ranks);
}

}  // namespace ripieno::distributed
