#include "ripieno/training/step_graph.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/profiled.h"
#include "ripieno/core/error.h"
#include "ripieno/core/random.h"
#include "ripieno/core/trace.h"
#include "ripieno/kernels/numerics.h"

namespace ripieno {
namespace {

using Mode = StepGraphOptions::Mode;

// Two, so that the pool also has memory for what a step keeps until the next one.
constexpr int kPreparedSteps = 2;
// A call of another thread can spoil a recording, so it is tried again.
constexpr int kMostFailures = 3;
// A single change, such as a parameter that is thawed, is not worth a remark.
constexpr int kChangesToRemark = 3;

[[noreturn]] void throw_required(const std::string& why) {
  throw ConfigurationError("train.graph=on, but the step cannot be recorded as a CUDA graph: " +
                           why + "; set train.graph=auto");
}

void append(std::vector<uint64_t>& facts, const Tensor& x) {
  facts.push_back(x.defined());
  if (!x.defined()) return;
  facts.push_back(static_cast<uint64_t>(x.dtype()));
  facts.push_back(x.device().is_cuda());
  facts.push_back(static_cast<uint64_t>(x.rank()));
  for (const int64_t size : x.shape()) facts.push_back(static_cast<uint64_t>(size));
}

// Reuses the memory of `to` if its shape and type match.
void copy(Tensor& to, const Tensor& from) {
  if (!from.defined()) {
    to = {};
  } else if (to.defined() && to.shape() == from.shape() && to.dtype() == from.dtype() &&
             to.device() == from.device()) {
    to.copy_from(from);
  } else {
    to = from.clone();
  }
}

// The RandomContext::step_key of this thread, while it exists.
class WithStepKey {
 public:
  explicit WithStepKey(const Tensor& key) { random_context().step_key = key; }
  ~WithStepKey() { random_context().step_key = {}; }
  WithStepKey(const WithStepKey&) = delete;
  WithStepKey& operator=(const WithStepKey&) = delete;
};

// Makes `stream` the current one, after all work of the present one and before its later work.
class Between {
 public:
  explicit Between(const Stream& stream)
      : stream_(stream), computing_(current_stream(stream.device())) {
    stream_.wait(computing_);
    on_.emplace(stream_);
  }
  ~Between() {
    on_.reset();
    wait(computing_.state(), stream_.state());
  }
  Between(const Between&) = delete;
  Between& operator=(const Between&) = delete;

 private:
  const Stream& stream_;
  const Stream& computing_;
  std::optional<OnStream> on_;
};

}  // namespace

StepGraph::StepGraph(distributed::DataParallel& parallel, const StepGraphOptions& options)
    : parallel_(parallel), options_(options) {
  const std::string obstacle = obstacle_to_start();
  if (!parallel_.holds_on_all_ranks(obstacle.empty())) {
    give_up(obstacle);
    return;
  }
  const Device device = parallel_.device();
  stream_ = std::make_unique<Stream>(device);
  step_key_ = step_key_on(device);
}

StepGraph::~StepGraph() { forget(); }

std::string StepGraph::obstacle_to_start() const {
  if (options_.mode == Mode::off) return "train.graph=off";
  if (!parallel_.device().is_cuda()) return "it runs on the CPU";
  const std::string obstacle = parallel_.obstacle_to_replay();
  return obstacle.empty() ? obstacle_to_recording() : obstacle;
}

void StepGraph::forget() {
  prepared_.clear();
  if (!graph_) return;
  graph_.reset();
  // The pool of the stream is used by its next owner after the replays.
  wait(stream_->state(), current_stream(parallel_.device()).state());
}

void StepGraph::run(const io::Batch& batch, const Step& step) {
  if (!stream_) return step(batch);
  const auto facts = facts_of(batch);
  {
    const Pool::Keep keep(stream_->memory());
    if (trims() != trims_) forget();
    if (parallel_.holds_on_all_ranks(graph_ && facts == recorded_)) return replay(batch);
    const bool is_prepared = facts == prepared_ && prepared_steps_ >= kPreparedSteps;
    if (parallel_.holds_on_all_ranks(is_prepared)) return record(batch, step);
  }
  if (!std::exchange(has_taken_a_step_, true)) {
    step(batch);
    // The memory of its activations: later steps have the memory of the graph.
    return current_stream(parallel_.device()).memory().trim();
  }
  if (facts != prepared_) {
    if (graph_ || !prepared_.empty()) note_change();
    prepared_steps_ = 0;
  }
  prepare(batch, step);
  prepared_ = facts;
  ++prepared_steps_;
  trims_ = trims();
}

// What the work of a step depends on, besides what is read from device memory.
std::vector<uint64_t> StepGraph::facts_of(const io::Batch& batch) const {
  std::vector<uint64_t> facts = parallel_.replay_facts();
  for (const int64_t number : {batch.first_row, batch.global_rows, batch.units})
    facts.push_back(static_cast<uint64_t>(number));
  append(facts, batch.inputs);
  append(facts, batch.targets);
  for (const auto& extra : batch.extras) append(facts, extra.tensor);
  const kernels::Numerics numerics = kernels::numerics();
  for (const bool is_set : {numerics.tf32, numerics.fused_epilogues, numerics.repeatable_attention})
    facts.push_back(is_set);
  facts.push_back(static_cast<uint64_t>(numerics.algorithms));
  return facts;
}

void StepGraph::note_change() {
  if (++changes_ != kChangesToRemark || !options_.remark || parallel_.rank() != 0) return;
  options_.remark(
      "train.graph: the shape of the batch keeps changing; a step is replayed only if it is like "
      "the one that was recorded");
}

// Runs as usual, but in the memory of the graph, and with the kernels that will be recorded: CUDA
// loads a kernel when it is first launched, which may wait for the device.
void StepGraph::prepare(const io::Batch& batch, const Step& step) {
  write_step_key(step_key_);
  const Between between(*stream_);
  const WithStepKey with_key(step_key_);
  step(batch);
}

// Before the work of a step: writes what changes from step to step to device memory.
void StepGraph::begin(const io::Batch& batch) {
  const NoGrad no_grad;
  write_step_key(step_key_);
  copy(batch_.inputs, batch.inputs);
  copy(batch_.targets, batch.targets);
  batch_.extras.resize(batch.extras.size());
  for (std::size_t i = 0; i < batch.extras.size(); ++i) {
    batch_.extras[i].name = batch.extras[i].name;
    copy(batch_.extras[i].tensor, batch.extras[i].tensor);
  }
  batch_.first_row = batch.first_row;
  batch_.global_rows = batch.global_rows;
  batch_.units = batch.units;
}

void StepGraph::record(const io::Batch& batch, const Step& step) {
  recorded_ = prepared_;
  forget();
  const std::string obstacle = parallel_.obstacle_to_replay();
  if (!parallel_.holds_on_all_ranks(obstacle.empty())) {
    give_up(obstacle);
    return step(batch);
  }
  const RandomContext context = random_context();
  begin(batch);
  parallel_.begin_step();
  const ScopedRandomContext afterwards;  // with the next step
  random_context() = context;
  std::string failure;
  try {
    const WithStepKey with_key(step_key_);
    graph_ = std::make_unique<DeviceGraph>(*stream_, [&] { step(batch_); });
  } catch (const CannotRecord& error) {
    failure = error.what();
  } catch (...) {
    parallel_.abandon_step();
    throw;
  }
  if (graph_ && parallel_.has_begun_step()) {
    graph_.reset();
    fail("step graph: the step did not call backward() and step() of the DataParallel");
  }
  if (parallel_.holds_on_all_ranks(graph_ != nullptr))
    return parallel_.replay([&] { graph_->replay(); });
  graph_.reset();
  parallel_.abandon_step();
  if (options_.mode == Mode::on || ++failures_ == kMostFailures) give_up(failure);
  step(batch);
}

void StepGraph::replay(const io::Batch& batch) {
  const Profiled profiled("replayed step");
  const trace::Scope traced({.name = "replayed step"});
  prepared_.clear();
  begin(batch);
  parallel_.replay_step([&] { graph_->replay(); });
}

// All ranks give up at the same time, those without an obstacle of their own with an empty `why`.
// That there is no graph is no surprise where it is disabled, and on the CPU.
void StepGraph::give_up(const std::string& why) {
  const int first = parallel_.first_rank_without(why.empty());
  if (options_.mode == Mode::on)
    throw_required(why.empty() ? fmt::format("rank {} cannot record it", first) : why);
  stream_.reset();
  const bool is_expected = options_.mode == Mode::off || !parallel_.device().is_cuda();
  if (is_expected || !options_.remark || first != parallel_.rank()) return;
  options_.remark("train.graph: steps run without a CUDA graph: " +
                  (first > 0 ? fmt::format("on rank {}, ", first) : std::string()) + why);
}

}  // namespace ripieno
