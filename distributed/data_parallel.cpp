#include "ripieno/distributed/data_parallel.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/error.h"
#include "ripieno/core/tensor_implementation.h"
#include "ripieno/distributed/first_step.h"
#include "ripieno/distributed/handshake.h"
#include "ripieno/distributed/strategies/rank_statistics.h"

namespace ripieno::distributed {
namespace {

const Parameters& parameters_of(nn::Module& model, const optim::Optimizer& optimizer) {
  if (&model.parameters().values() != &optimizer.parameters().values()) {
    fail("data parallel: the optimizer was constructed for the parameters of another model");
  }
  return optimizer.parameters();
}

// What must be equal on all ranks for gradients to be summed in the same way, the same buffers to
// be broadcast and the same steps to be taken.
std::vector<Fact> facts_of(nn::Module& model, const optim::Optimizer& optimizer,
                           const DataParallelOptions& options) {
  constexpr const char* kShards[] = {"none", "optimizer", "gradients"};
  auto facts = distributed::facts_of(model.parameters());
  for (const auto& buffer : model.buffers().layout().entries())
    facts.push_back({"buffer " + buffer.name, to_string(buffer.shape)});
  for (auto& fact : distributed::facts_of(optimizer)) facts.push_back(std::move(fact));
  facts.push_back({"parallel.shard", kShards[static_cast<int>(options.shard)]});
  facts.push_back({"parallel.bucket_bytes",
                   options.bucket_bytes ? std::to_string(*options.bucket_bytes) : "auto"});
  facts.push_back({"DataParallelOptions::overlap", options.overlap ? "true" : "false"});
  facts.push_back({"parallel.slots", std::to_string(options.slots)});
  facts.push_back({"parallel.wire", std::string(name_of(options.wire))});
  facts.push_back({"parallel.power_sgd_rank", std::to_string(options.power_sgd_rank)});
  facts.push_back({"parallel.diloco_steps", std::to_string(options.diloco.steps)});
  facts.push_back(
      {"parallel.outer_learning_rate", fmt::format("{}", options.diloco.outer_learning_rate)});
  facts.push_back({"parallel.outer_momentum", fmt::format("{}", options.diloco.outer_momentum)});
  return facts;
}

// Whether layers of the model sum their batch statistics over the ranks. They have buffers.
bool shares_statistics(nn::Module& model, const Communicator& communicator,
                       const DataParallelOptions& options) {
  return communicator.size() > 1 && options.slots == 0 && options.diloco.steps == 0 &&
         model.buffers().layout().elements() > 0;
}

}  // namespace

DataParallel::DataParallel(nn::Module& model, optim::Optimizer& optimizer,
                           Communicator& communicator, const DataParallelOptions& options)
    : model_(model),
      optimizer_(optimizer),
      communicator_(communicator),
      device_(parameters_of(model, optimizer).values().device()),
      dtype_(optimizer.parameters().values().dtype()),
      has_error_feedback_(options.power_sgd_rank > 0),
      times_(device_) {
  require_agreement(communicator, facts_of(model, optimizer, options));
  check(options);
  bucket_size_ =
      bucket_size_of(communicator, options.bucket_bytes, optimizer.parameters().gradients());
  DataParallelOptions used = options;
  if (shares_statistics(model, communicator, options)) {
    statistics_ = std::make_shared<RankStatistics>(communicator);
    shared_statistics_ = std::make_unique<SharedStatistics>(model.buffers().flat(), statistics_);
    // On a GPU all collectives must be enqueued in the same order on every rank.
    used.overlap = options.overlap && !device_.is_cuda();
  }
  strategy_ = make_strategy(
      {optimizer, communicator, times_, bucket_size_.bytes, options.micro_batch_size}, used);
  first_step_ = std::make_unique<FirstStep>(optimizer.parameters());
  broadcast_buffers();
}

DataParallel::~DataParallel() = default;

void DataParallel::backward(const Loss& loss, Accumulate accumulate) {
  begin_backward();
  const bool more = accumulate == Accumulate::more;
  if (first_step_) first_step_->examine(loss);
  strategy_->backward(loss, more);
  complete_ = !more;
}

void DataParallel::backward() {
  begin_backward();
  strategy_->backward_without_rows();
  complete_ = true;
}

void DataParallel::backward_of_rows(int64_t rows, const Strategy::LossOf& loss_of) {
  begin_backward();
  const auto examined = [&](int64_t begin, int64_t end) {
    Loss loss = loss_of(begin, end);
    first_step_->examine(loss);
    return loss;
  };
  strategy_->backward(rows, first_step_ ? Strategy::LossOf(examined) : loss_of);
  complete_ = true;
}

void DataParallel::begin_backward() {
  if (complete_)
    fail("backward: the last micro-batch of this step has been computed; call step() first");
  require_not_moved();
  buffers_are_equal_ = false;
}

void DataParallel::require_not_moved() const {
  const Arena& values = optimizer_.parameters().values();
  if (values.device() == device_ && values.dtype() == dtype_) return;
  fail(fmt::format(
      "data parallel: the model is {} on {}, but was {} on {} when DataParallel was constructed; "
      "call model.to() before that",
      name_of(values.dtype()), to_string(values.device()), name_of(dtype_), to_string(device_)));
}

void DataParallel::step() {
  if (!complete_)
    fail("step: the gradients are incomplete; call backward() with the last micro-batch first");
  complete_ = false;
  if (statistics_ && !device_.is_cuda()) statistics_->end_step();
  {
    const PhaseTimes::Span span(times_, &ParallelSeconds::communication_exposed);
    loss_ = strategy_->finish_gradients();
    if (const auto first = std::exchange(first_step_, nullptr))
      unused_parameters_ = first->finish(communicator_);
  }
  strategy_->before_update();
  {
    const PhaseTimes::Span span(times_, &ParallelSeconds::optimizer);
    const Tensor count = loss_.count.to(device_);
    if (std::exchange(has_begun_, false)) {
      optimizer_.apply_step(count);
    } else {
      optimizer_.step(count);
    }
  }
  const PhaseTimes::Span span(times_, &ParallelSeconds::communication_exposed);
  met_ = strategy_->after_update();
}

std::string DataParallel::obstacle_to_replay() const {
  if (auto obstacle = strategy_->obstacle_to_replay(); !obstacle.empty()) return obstacle;
  if (statistics_) return "its layers sum batch statistics over the ranks";
  const Parameters& parameters = optimizer_.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (parameters.tensors()[i].implementation().leaf->hooks.size() > strategy_->hooks())
      return "a hook (on_gradient) of " + parameters.layout().entries()[i].name +
             " runs on the host";
  }
  return "";
}

void DataParallel::begin_step() {
  if (complete_ || has_begun_) fail("begin_step: the previous step has not ended; call step()");
  require_not_moved();
  optimizer_.begin_step();
  has_begun_ = true;
}

void DataParallel::replay_step(const std::function<void()>& enqueue) {
  begin_step();
  has_begun_ = false;
  buffers_are_equal_ = false;
  replay(enqueue);
  ++replayed_steps_;
  optimizer_.parameters().values().flat().mark_changed();
}

void DataParallel::abandon_step() {
  complete_ = false;
  has_begun_ = true;
  strategy_->abandon_step();
  optimizer_.parameters().clear_gradients();
}

bool DataParallel::holds_on_all_ranks(bool holds) {
  if (communicator_.size() == 1) return holds;
  if (!ranks_without_.defined()) ranks_without_ = Tensor({1}, DType::int64);
  int64_t& count = *ranks_without_.data<int64_t>();
  count = !holds;
  communicator_.all_reduce(ranks_without_);
  return count == 0;
}

int DataParallel::first_rank_without(bool holds) {
  const Tensor mine = Tensor::full({1}, holds, DType::int64);
  const Tensor all({communicator_.size()}, DType::int64);
  communicator_.all_gather(all, mine);
  const auto* const begin = all.data<int64_t>();
  return static_cast<int>(std::find(begin, begin + communicator_.size(), 0) - begin);
}

std::vector<uint64_t> DataParallel::replay_facts() const {
  const Parameters& parameters = optimizer_.parameters();
  const auto address = [](Arena& arena) {
    return reinterpret_cast<std::uintptr_t>(arena.flat().raw_data());
  };
  std::size_t hooks = 0;
  for (const Tensor& parameter : parameters.tensors())
    hooks += parameter.implementation().leaf->hooks.size();
  return {parameters.trainable_version(), address(parameters.values()),
          address(parameters.gradients()), hooks, model_.is_training()};
}

void DataParallel::synchronize_parameters() {
  strategy_->synchronize_parameters();
  broadcast_buffers();
  met_ = true;
}

void DataParallel::exchange_average() {
  if (has_local_steps())
    fail(
        "data_parallel: averages of parameters are not the same on all ranks with DiLoCo; disable "
        "parallel.diloco_steps or the average");
  optimizer_.exchange_average();
  strategy_->after_update();
}

void DataParallel::synchronize() {
  strategy_->synchronize();
  broadcast_buffers();
  met_ = true;
}

void DataParallel::broadcast_buffers() {
  Arena& buffers = model_.buffers();
  if (communicator_.size() > 1 && buffers.layout().elements() > 0)
    communicator_.broadcast(buffers.flat(), 0);
  buffers_are_equal_ = true;
}

MemoryReport DataParallel::memory_report() {
  const Parameters& parameters = optimizer_.parameters();
  MemoryReport report{.parameters = parameters.elements(), .lines = {}};
  const auto add = [&](const std::string& what, Arena& arena) {
    arena.materialize();
    report.lines.push_back({.what = what, .bytes = arena.bytes()});
  };
  add("parameters", parameters.values());
  add("gradients", strategy_->gradients());
  for (const auto& state : optimizer_.state()) add(state.name, *state.arena);
  strategy_->report(report);
  return report;
}

}  // namespace ripieno::distributed
