#include "ripieno/distributed/data_parallel.h"

#include <algorithm>
#include <string>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/error.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/random.h"
#include "ripieno/distributed/gradients/gradient_reducer.h"
#include "ripieno/distributed/gradients/power_sgd.h"
#include "ripieno/distributed/gradients/shards.h"
#include "ripieno/distributed/gradients/wire.h"
#include "ripieno/distributed/handshake.h"
#include "ripieno/distributed/strategies/sharded_optimizer.h"
#include "ripieno/distributed/strategies/strict_backward.h"

namespace ripieno::distributed {
namespace {

Loss forward(const std::function<Loss(int64_t, int64_t)>& loss_of, int64_t begin, int64_t end) {
  const Profiled profiled("forward");
  return loss_of(begin, end);
}

// In double precision: the count of a large batch is not a float any more.
void add_to(Tensor& total, const Tensor& x) {
  const Tensor more = x.detach();
  total = total.defined() ? total.to(DType::float64) + more.to(DType::float64) : more;
}

// What the ranks must agree on so that they sum the same gradients in the same way.
std::vector<Fact> facts_of(const Parameters& parameters, const DataParallelOptions& options) {
  constexpr const char* kShards[] = {"none", "optimizer", "gradients"};
  auto facts = distributed::facts_of(parameters);
  facts.push_back({"the shard", kShards[static_cast<int>(options.shard)]});
  facts.push_back({"the size of a bucket", options.bucket_bytes
                                               ? std::to_string(*options.bucket_bytes) + " bytes"
                                               : "auto"});
  facts.push_back({"the number of slots", std::to_string(options.slots)});
  facts.push_back({"the wire", std::string(name_of(options.wire))});
  facts.push_back({"the rank of PowerSGD", std::to_string(options.power_sgd_rank)});
  facts.push_back({"the steps of DiLoCo", std::to_string(options.diloco.steps)});
  return facts;
}

GradientReducer::MakeSum sum_of(const Parameters& parameters, const DataParallelOptions& options) {
  if (options.power_sgd_rank > 0) {
    return [parameters, rank = options.power_sgd_rank](Communicator& ranks) {
      return sum_by_power_sgd(parameters, rank, ranks);
    };
  }
  if (options.wire == DType::bfloat16) return sum_over_bfloat16_wire;
  return options.shard == Shard::none ? sum_by_all_reduce : sum_by_reduce_scatter;
}

}  // namespace

BucketSize bucket_size_of(Communicator& ranks, const DataParallelOptions& options,
                          Arena& gradients) {
  const auto gradient_bytes =
      static_cast<std::size_t>(gradients.layout().elements()) * size_of(gradients.dtype());
  if (options.bucket_bytes) return {*options.bucket_bytes, 0, "as configured"};
  if (ranks.size() == 1) return {gradient_bytes, 0, "one rank"};
  return measured_bucket_size(ranks, gradient_bytes, gradients.device());
}

void check(const DataParallelOptions& options) {
  if (options.wire != DType::float32 && options.wire != DType::bfloat16) {
    throw ConfigurationError("data parallel: the wire carries float32 or bfloat16, not " +
                             std::string(name_of(options.wire)));
  }
  const bool compresses = options.power_sgd_rank > 0;
  const bool narrow = options.wire != DType::float32;
  if (options.slots > 0 && (compresses || narrow || options.diloco.steps > 0)) {
    throw ConfigurationError(
        "data parallel: strict mode sums every number; it goes with none of a bfloat16 wire, "
        "PowerSGD and DiLoCo");
  }
  if (options.shard != Shard::none && (options.slots > 0 || options.diloco.steps > 0)) {
    throw ConfigurationError(
        "data parallel: neither strict mode nor DiLoCo shards anything; each rank needs all of the "
        "gradients and of the state there");
  }
  if (compresses && options.shard == Shard::gradients) {
    throw ConfigurationError(
        "data parallel: PowerSGD adds what it left out to a step's whole gradient, which no rank "
        "has where gradients are sharded; shard the optimizer alone");
  }
  if (compresses && (options.diloco.steps > 0 || narrow)) {
    throw ConfigurationError(
        "data parallel: PowerSGD goes neither with DiLoCo nor with a bfloat16 wire; choose one");
  }
}

DataParallel::DataParallel(nn::Module& model, optim::Optimizer& optimizer,
                           Communicator& communicator, const DataParallelOptions& options)
    : optimizer_(optimizer),
      communicator_(communicator),
      micro_batch_size_(options.micro_batch_size),
      times_(optimizer.parameters().values().device()) {
  const Parameters parameters = model.parameters();
  if (&parameters.values() != &optimizer.parameters().values()) {
    fail("data parallel: the optimizer was made for another model's parameters");
  }
  require_agreement(communicator, facts_of(parameters, options));
  check(options);
  if (optimizer.scales_loss() && (options.power_sgd_rank > 0 || options.diloco.steps > 0)) {
    throw ConfigurationError(
        "data parallel: a loss scale goes neither with PowerSGD, which would keep what is not "
        "finite, nor with DiLoCo, whose ranks would scale differently; train in bfloat16");
  }
  bucket_size_ = bucket_size_of(communicator, options, parameters.gradients());
  const auto make_sum = sum_of(parameters, options);
  if (options.slots > 0) {
    strict_ = std::make_unique<StrictBackward>(parameters, communicator, options.slots,
                                               bucket_size_.bytes);
  }
  if (options.diloco.steps > 0) {
    const std::size_t bytes_of_element = size_of(parameters.gradients().dtype());
    diloco_ = std::make_unique<Diloco>(
        optimizer, communicator,
        buckets_of(parameters.layout(), bytes_of_element, bucket_size_.bytes),
        make_sum(communicator), options.diloco);
  }
  if (communicator.size() == 1) return;
  start_alike(options.shard);
  if (strict_ || diloco_) return;
  const auto place =
      options.overlap ? OrderedWorker::Place::own_thread : OrderedWorker::Place::finish;
  reducer_ = std::make_shared<GradientReducer>(parameters, communicator, bucket_size_.bytes, place,
                                               make_sum, options.shard == Shard::gradients);
  if (options.shard != Shard::none) {
    GradientShard* const shard = reducer_->shard();
    sharded_ = std::make_unique<ShardedOptimizer>(optimizer, reducer_->buckets(),
                                                  shard ? &shard->owned() : nullptr, communicator,
                                                  reducer_->communicator(), place);
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Tensor parameter = parameters.tensors()[i];
    if (!parameter.requires_gradient()) continue;
    // The model may outlive this.
    parameter.on_gradient([reducer = std::weak_ptr(reducer_), i] {
      if (const auto alive = reducer.lock()) alive->complete(i);
    });
  }
}

DataParallel::~DataParallel() = default;

// Values, and state that any rank has touched, are rank 0's: the rest is the same everywhere as it
// is. State that is sharded already is each rank's own.
void DataParallel::start_alike(Shard shard) {
  communicator_.broadcast(optimizer_.parameters().values().flat(), 0);
  if (shard == Shard::none && optimizer_.is_sharded())
    fail("data parallel: the optimizer's state is sharded; use the same shard as before");
  if (shard != Shard::none && optimizer_.is_sharded()) return;
  const auto state = optimizer_.state();
  const Tensor touched({static_cast<int64_t>(state.size())}, DType::int64);
  for (std::size_t i = 0; i < state.size(); ++i) {
    touched.data<int64_t>()[i] = state[i].arena->has_memory();
  }
  communicator_.all_reduce(touched);
  for (std::size_t i = 0; i < state.size(); ++i) {
    if (touched.data<int64_t>()[i] > 0) communicator_.broadcast(state[i].arena->flat(), 0);
  }
}

void DataParallel::backward(const Loss& loss, Accumulate accumulate) {
  require_open();
  const PhaseTimes::Span span(times_, &ParallelSeconds::backward);
  add(loss);
  complete_ = accumulate == Accumulate::last;
  const bool communicates = begin_round(!complete_);
  loss.sum.backward(optimizer_.loss_scale());
  if (communicates) reducer_->complete_all();
}

void DataParallel::backward() {
  require_open();
  const PhaseTimes::Span span(times_, &ParallelSeconds::backward);
  const Device device = optimizer_.parameters().values().device();
  const Tensor nothing = Tensor::zeros({}, DType::float64, device);
  if (!part_.sum.defined()) part_ = {nothing, nothing};
  complete_ = true;
  if (begin_round(/*more=*/false)) reducer_->complete_all();
}

void DataParallel::require_open() const {
  if (strict_) fail("backward: strict mode cuts the batch itself; call backward(rows, loss_of)");
  if (complete_) fail("backward: the step's last micro-batch has been given; call step()");
}

// Of the reducer: for each micro-batch where gradients are sharded, else for the last.
bool DataParallel::begin_round(bool more) {
  if (!reducer_ || (more && !reducer_->shard())) return false;
  if (rounds_ > 0) reducer_->finish();
  if (reducer_->shard()) reducer_->shard()->begin_micro_batch(/*is_first=*/rounds_ == 0);
  reducer_->begin(part_.sum, part_.count, more);
  ++rounds_;
  return true;
}

// Takes part in the rounds of ranks that have more micro-batches than this one.
void DataParallel::finish_rounds() {
  const Tensor& totals = reducer_->finish();
  while (reducer_->shard() && reducer_->has_more()) {
    reducer_->shard()->begin_micro_batch(/*is_first=*/false);
    reducer_->begin(part_.sum, part_.count);
    reducer_->complete_all();
    reducer_->finish();
  }
  rounds_ = 0;
  loss_ = {totals.slice(0, 0, 1).reshape({}), totals.slice(0, 1, 2).reshape({})};
}

void DataParallel::backward_of_rows(int64_t rows,
                                    const std::function<Loss(int64_t, int64_t)>& loss_of) {
  if (complete_) fail("backward: the step's last micro-batch has been given; call step()");
  if (!strict_) return backward_of_micro_batches(rows, loss_of);
  const PhaseTimes::Span span(times_, &ParallelSeconds::backward);
  strict_->backward(rows, loss_of, optimizer_.loss_scale());
  complete_ = true;
}

void DataParallel::backward_of_micro_batches(int64_t rows,
                                             const std::function<Loss(int64_t, int64_t)>& loss_of) {
  if (rows == 0) return backward();
  const int64_t at_once = micro_batch_size_ > 0 ? micro_batch_size_ : std::max<int64_t>(rows, 1);
  const int64_t first_row = random_context().first_row;
  int64_t begin = 0;
  do {
    const int64_t end = std::min(begin + at_once, rows);
    random_context().first_row = first_row + begin;
    backward(forward(loss_of, begin, end), end < rows ? Accumulate::more : Accumulate::last);
    begin = end;
  } while (begin < rows);
  random_context().first_row = first_row;
}

void DataParallel::step() {
  if (!complete_) fail("step: there are no gradients; call backward() with the last micro-batch");
  complete_ = false;
  if (strict_) {
    const PhaseTimes::Span span(times_, &ParallelSeconds::communication_exposed);
    loss_ = strict_->finish();
  } else if (reducer_) {
    const PhaseTimes::Span span(times_, &ParallelSeconds::communication_exposed);
    finish_rounds();
  } else {
    keep_part();
  }
  part_ = {};
  if (diloco_) diloco_->before_step();
  {
    const PhaseTimes::Span span(times_, &ParallelSeconds::optimizer);
    optimizer_.step(loss_.count.to(optimizer_.parameters().values().device()));
  }
  const PhaseTimes::Span span(times_, &ParallelSeconds::communication_exposed);
  if (sharded_) sharded_->finish();
  met_ = !diloco_ || diloco_->after_step();
}

// In memory of its own, so that every step finds the same blocks free.
void DataParallel::keep_part() {
  const NoGrad no_grad;
  if (!kept_part_.defined()) {
    kept_part_ = Tensor({2}, DType::float64, part_.sum.device());
    loss_ = {kept_part_.slice(0, 0, 1).reshape({}), kept_part_.slice(0, 1, 2).reshape({})};
  }
  loss_.sum.copy_from(part_.sum);
  loss_.count.copy_from(part_.count);
}

void DataParallel::synchronize() {
  if (diloco_) diloco_->synchronize();
  met_ = true;
}

std::size_t DataParallel::buckets() const { return reducer_ ? reducer_->buckets().size() : 0; }

MemoryReport DataParallel::memory_report() {
  const Parameters& parameters = optimizer_.parameters();
  MemoryReport report{.parameters = parameters.elements(), .lines = {}};
  const auto add = [&](const std::string& what, Arena& arena) {
    arena.materialize();
    report.lines.push_back({.what = what, .bytes = arena.bytes()});
  };
  GradientShard* const shard = reducer_ ? reducer_->shard() : nullptr;
  add("parameters", parameters.values());
  add("gradients", shard ? shard->owned() : parameters.gradients());
  for (const auto& slot : optimizer_.state()) add(slot.name, *slot.arena);
  if (strict_)
    report.lines.push_back(
        {.what = "gradients of slots", .bytes = strict_->bytes_beside_gradients()});
  const int64_t kept = diloco_ ? diloco_->kept_bytes() : reducer_ ? reducer_->kept_bytes() : 0;
  if (kept > 0) report.lines.push_back({.what = "kept for less traffic", .bytes = kept});
  if (sharded_) {
    report.lines.push_back({.what = "buckets on their way",
                            .bytes = reducer_->transient_bytes(),
                            .is_transient = true});
  }
  return report;
}

int DataParallel::slots() const { return strict_ ? strict_->slots() : 0; }

std::string DataParallel::description() const { return strict_ ? strict_->description() : ""; }

void DataParallel::add(const Loss& loss) {
  const NoGrad no_grad;
  add_to(part_.sum, loss.sum);
  add_to(part_.count, loss.count);
}

}  // namespace ripieno::distributed
