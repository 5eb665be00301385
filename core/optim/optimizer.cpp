#include "ripieno/core/optim/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/device_graph.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/optim/first_step_check.h"
#include "ripieno/core/optim/option_check.h"
#include "ripieno/core/place.h"
#include "ripieno/core/random.h"
#include "ripieno/kernels/optimizer_rules.h"

namespace ripieno::optim {
namespace {

constexpr const char* kAverage = "average";

Common checked(Common common) {
  require_not_negative("optimizer", "learning_rate", common.learning_rate);
  require_not_negative("optimizer", "weight_decay", common.weight_decay);
  require_not_negative("optimizer", "max_gradient_norm", common.max_gradient_norm);
  require_not_negative("optimizer", "max_gradient_value", common.max_gradient_value);
  return common;
}

void require_steps(int64_t steps) {
  constexpr int64_t kMost = int64_t{1} << 53;
  if (steps >= 0 && steps <= kMost) return;
  fail(fmt::format("optimizer: {} steps taken; the number must be between 0 and {}", steps, kMost));
}

// Requires that the ranges are within the layout, and disjoint.
void require_ranges(std::vector<ElementRange> ranges, const ArenaLayout& layout) {
  std::ranges::sort(ranges, {},
                    [](const ElementRange& range) { return std::pair(range.begin, range.end); });
  int64_t end = 0;
  for (const ElementRange& range : ranges) {
    if (range.begin < end || range.end < range.begin || range.end > layout.elements()) {
      fail(
          fmt::format("optimizer.shard: the range [{}, {}) is reversed, overlaps another or ends "
                      "after the {} elements of the parameters",
                      range.begin, range.end, layout.elements()));
    }
    end = range.end;
  }
}

bool splits(const ElementRange& range, const ArenaLayout::Entry& entry) {
  const int64_t end = entry.offset + entry.elements;
  const auto is_inside = [&](int64_t bound) { return entry.offset < bound && bound < end; };
  return range.elements() > 0 && (is_inside(range.begin) || is_inside(range.end));
}

void require_whole_tensors(const std::vector<ElementRange>& ranges, const ArenaLayout& layout) {
  for (const ElementRange& range : ranges) {
    for (const auto& entry : layout.entries()) {
      if (splits(range, entry))
        fail("optimizer: a shard boundary splits " + entry.name +
             ", but this optimizer requires whole tensors");
    }
  }
}

void require_count(const Tensor& count, const Parameters& parameters) {
  const Device device = parameters.values().device();
  if (!count.defined() || (count.elements() == 1 && count.device() == device)) return;
  fail("optimizer.step: count is " + describe(count) + "; it must have one element, on " +
       to_string(device) + " as the parameters");
}

}  // namespace

Optimizer::Optimizer(Parameters parameters, Common common)
    : parameters_(std::move(parameters)),
      common_(checked(std::move(common))),
      groups_(common_.groups, common_.weight_decay, common_.decays),
      state_(parameters_),
      loss_scaling_(common_.scales_loss),
      learning_rate_(common_.learning_rate) {}

void Optimizer::shard(Sharding sharding) {
  const bool is_reattached = is_sharded() && !sharding_.sum && sharding.ranges == state_.ranges();
  if (is_sharded() && !is_reattached)
    fail("optimizer: it is already sharded; shard() requires end_sharding() and the same ranges");
  if (!is_reattached) {
    require_ranges(sharding.ranges, parameters_.layout());
    if (needs_whole_tensors()) require_whole_tensors(sharding.ranges, parameters_.layout());
    state_.shard(sharding.ranges);
    allocated_ = false;
  }
  sharding_ = std::move(sharding);
}

void Optimizer::end_sharding() { sharding_ = {}; }

void Optimizer::allocate() {
  const Arena& values = parameters_.values();
  if (allocated_ && device_ == values.device() && dtype_ == values.dtype()) return;
  device_ = values.device();
  dtype_ = values.dtype();
  state_.to(device_);
  if (common_.scales_loss && dtype_ == DType::float64)
    fail("optimizer: loss scaling does not support float64 parameters; disable scales_loss");
  if (state_.keeps_master()) state_.add("master", {.is_copy = true});
  if (average_) state_.add(kAverage, {.is_copy = true});
  prepare();
  write_segments();
  loss_scaling_.to(device_, steps_taken_);
  scalars_.allocate(device_, state_.ranges());
  allocated_ = true;
}

void Optimizer::write_segments() {
  trainable_.assign(parameters_.size(), false);
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    trainable_[i] = parameters_.tensors()[i].requires_gradient();
  const auto segments = groups_.segments(parameters_);
  segments_.write(segments, state_.ranges(), device_);
  if (!needs_whole_tensors()) return;
  std::vector<ElementRange> parameters;
  for (const auto& entry : parameters_.layout().entries())
    parameters.push_back({entry.offset, entry.offset + entry.elements});
  segments_of_parameters_.write(segments, parameters, device_);
}

// A parameter that is unfrozen later starts with zero state, in a resumed run too.
void Optimizer::update_frozen() {
  bool has_changed = false;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Tensor parameter = parameters_.tensors()[i];
    const bool is_trainable = parameter.requires_gradient();
    if (trainable_[i] == is_trainable) continue;
    has_changed = true;
    if (is_trainable) continue;
    parameter.clear_gradient();
    state_.reset(i);
  }
  if (has_changed) write_segments();
}

std::vector<Optimizer::StateTensors> Optimizer::state() {
  allocate();
  return state_.tensors_by_name();
}

double Optimizer::learning_rate() const {
  require_not_recording("optimizer.learning_rate()");
  return learning_rate_;
}

void Optimizer::set_learning_rate(double learning_rate) {
  require_not_negative("optimizer", "learning_rate", learning_rate);
  learning_rate_ = learning_rate;
}

std::vector<Optimizer::Option> Optimizer::options() const {
  std::vector<Option> options = {
      {"weight_decay", fmt::format("{}", common_.weight_decay)},
      {"max_gradient_norm", fmt::format("{}", common_.max_gradient_norm)},
      {"max_gradient_value", fmt::format("{}", common_.max_gradient_value)},
      {"scales_loss", fmt::format("{}", common_.scales_loss)}};
  if (average_) options.push_back({"average decay", fmt::format("{}", average_->decay)});
  for (const auto& entry : parameters_.layout().entries()) {
    const auto settings = groups_.of(entry);
    options.push_back({"groups at " + entry.name,
                       fmt::format("weight_decay {}, learning_rate_factor {}",
                                   settings.weight_decay, settings.learning_rate_factor)});
  }
  return options;
}

void Optimizer::step(const Tensor& count) {
  require_count(count, parameters_);
  begin_step();
  apply_step(count);
}

void Optimizer::step(const Loss& loss) {
  require_defined("optimizer.step", {{"loss.sum", loss.sum}, {"loss.count", loss.count}});
  require_count(loss.count, parameters_);
  loss.sum.backward(loss_scale());
  step(loss.count);
}

void Optimizer::begin_step() {
  if (is_sharded() && !sharding_.sum)
    fail(
        "optimizer: its state is sharded, but the DataParallel that sharded it was destroyed; keep "
        "it alive until the last step");
  if (!exchanged_.empty())
    fail(
        "optimizer: a step was taken while averages replace the parameters; call "
        "exchange_average() to restore them");
  if (!has_stepped_ && first_step_check()) first_step_check()();
  has_stepped_ = true;
  const NoGrad no_grad;
  if (before_step_) before_step_();
  allocate();
  update_frozen();
  ++steps_taken_;
  ++random_context().step;
  scalars_.write(learning_rate_, decays_of_moments(), steps_taken_);
}

void Optimizer::apply_step(const Tensor& count) {
  require_count(count, parameters_);
  const NoGrad no_grad;
  if (!sharding_.gradients) parameters_.complete_gradients();
  measure_gradients(count);
  for (std::size_t i = 0; i < state_.ranges().size(); ++i) {
    if (state_.ranges()[i].elements() > 0) update_range(i);
    if (sharding_.updated) sharding_.updated(i);
  }
  parameters_.values().flat().mark_changed();
  parameters_.clear_gradients();
}

void Optimizer::measure_gradients(const Tensor& count) {
  if (common_.max_gradient_value > 0.0) {
    for (std::size_t i = 0; i < state_.ranges().size(); ++i)
      scalars_.clip(gradients_of(i), count, common_.max_gradient_value, loss_scaling_.on_device());
  }
  for (std::size_t i = 0; i < state_.ranges().size(); ++i) scalars_.measure(i, gradients_of(i));
  const Tensor& sum_of_squares = scalars_.sum_of_squares();
  if (is_sharded()) sharding_.sum(sum_of_squares);
  scalars_.finish(count, common_.max_gradient_norm, decays_of_moments(), loss_scaling_.on_device());
}

Tensor Optimizer::gradients_of(std::size_t index) const {
  if (sharding_.gradients) return sharding_.gradients->tensors()[index];
  const auto& [begin, end] = state_.ranges()[index];
  return parameters_.gradients().range(begin, end);
}

Optimizer::Range Optimizer::range_at(std::size_t index) const {
  const ElementRange& elements = state_.ranges()[index];
  return {.index = index,
          .elements = elements,
          .values = parameters_.values().range(elements.begin, elements.end),
          .gradients = gradients_of(index),
          .segments = segments_.of(index),
          .segment_count = segments_.count(index),
          .scalars = scalars_.data()};
}

// Values that were written to narrow parameters since the last step replace their master weights.
void Optimizer::update_range(std::size_t index) {
  const Range range = range_at(index);
  if (float* const master = master_numbers(range)) {
    run({"update master weights"}, range.values, [&]<typename T>(auto on) {
      if constexpr (sizeof(T) == 2)
        kernels::update_master(on, master, range.values.data<T>(), range.values.elements());
    });
  }
  update(range);
  if (average_) average(range);
}

void Optimizer::average(const Range& range) {
  const Work work{"average parameters", {&range.values}, trace::kUnknown, 2 * float_bytes(range)};
  run(work, range.values, [&]<typename T>(auto on) {
    kernels::average_parameters(on, numbers(kAverage, range), arena_step<T>(range),
                                {average_->decay, average_->warms_up});
  });
}

void Optimizer::keep_average(const AverageOptions& options) {
  require_decay("optimizer", "average decay", options.decay);
  if (has_stepped_)
    fail("optimizer: keep_average() was called after a step; call it before the first one");
  average_ = options;
  allocated_ = false;
}

void Optimizer::exchange_average() {
  if (!average_) fail("optimizer: no average is kept; call keep_average() before the first step");
  const NoGrad no_grad;
  allocate();
  const bool restores = !exchanged_.empty();
  for (std::size_t i = 0; i < state_.ranges().size(); ++i) {
    const auto& [begin, end] = state_.ranges()[i];
    Tensor values = parameters_.values().range(begin, end);
    if (!restores) exchanged_.push_back(values.clone());
    values.copy_from(restores ? exchanged_[i] : state_.range(kAverage, i));
    if (sharding_.updated) sharding_.updated(i);
  }
  if (restores) exchanged_.clear();
  parameters_.values().flat().mark_changed();
}

void Optimizer::update(const Range& range) {
  if (skips_steps() && last_step().skips) return;
  const auto& entries = parameters_.layout().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool is_here = entries[i].offset < range.elements.end &&
                         entries[i].offset + entries[i].elements > range.elements.begin;
    if (is_here && trainable_[i]) update_tensor(view_of(range, i));
  }
  copy_master(range);
}

void Optimizer::copy_master(const Range& range) const {
  if (state_.keeps_master()) Tensor(range.values).copy_from(state_.range("master", range.index));
}

std::vector<Optimizer::Piece> Optimizer::pieces_of(const Range& range) const {
  std::vector<Piece> pieces;
  const auto& entries = parameters_.layout().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool is_here =
        range.elements.begin <= entries[i].offset && entries[i].offset < range.elements.end;
    if (!is_here || !trainable_[i] || entries[i].elements == 0) continue;
    pieces.push_back({.entry = entries[i],
                      .parameter = i,
                      .offset = entries[i].offset - range.elements.begin,
                      .segment = segments_of_parameters_.of(i)});
  }
  return pieces;
}

void Optimizer::update_tensor(const ParameterView&) {
  fail("optimizer: no update rule is defined; override update() or update_tensor()");
}

namespace {

// The elements of `whole`, whose first element is number `first` of the layout, that belong to the
// parameter; in its shape if they are all of it.
Tensor elements_of(const Tensor& whole, int64_t first, const ArenaLayout::Entry& entry) {
  const int64_t begin = std::max<int64_t>(entry.offset - first, 0);
  const int64_t end = std::min(entry.offset + entry.elements - first, whole.elements());
  const Tensor part = whole.slice(0, begin, end);
  return part.elements() == entry.elements ? part.reshape(entry.shape) : part;
}

}  // namespace

Optimizer::ParameterView Optimizer::view_of(const Range& range, std::size_t parameter) const {
  const auto& entry = parameters_.layout().entries()[parameter];
  const auto settings = groups_.of(entry);
  const Tensor values = state_.keeps_master() ? state_.range("master", range.index) : range.values;
  const auto scalar = [&](float kernels::StepScalars::*member) {
    return scalars_.scalar(member).to(values.dtype());
  };
  const int64_t first = range.elements.begin;
  return {
      .optimizer = *this,
      .range = range,
      .entry = entry,
      .parameter = parameter,
      .group = settings.group,
      .weight_decay = settings.weight_decay,
      .values = elements_of(values, first, entry),
      .gradient = elements_of(range.gradients, first, entry).to(values.dtype()) *
                  scalar(&kernels::StepScalars::gradient_scale),
      .learning_rate = scalar(&kernels::StepScalars::learning_rate) * settings.learning_rate_factor,
      .first_correction = scalar(&kernels::StepScalars::first_correction),
      .second_correction = scalar(&kernels::StepScalars::second_correction)};
}

Tensor Optimizer::ParameterView::state(const std::string& name) const {
  const OptimizerState& all = optimizer.state_;
  if (all.has_own_shapes(name)) return all.part_of(name, parameter).part;
  return elements_of(all.range(name, range.index), range.elements.begin, entry);
}

Tensor Optimizer::loss_scale() {
  if (scales_loss()) allocate();
  return loss_scaling_.scale();
}

void Optimizer::skip_bad_steps(double outlier_factor) {
  require_not_negative("optimizer", "outlier_factor", outlier_factor);
  loss_scaling_.skip_bad_steps(outlier_factor);
  if (allocated_) loss_scaling_.to(device_, steps_taken_);
}

LossScale Optimizer::loss_scale_state() {
  if (!skips_steps()) return {.scale = 1.0f, .steps = steps_taken_, .is_fixed = 1};
  allocate();
  return loss_scaling_.read();
}

void Optimizer::set_loss_scale_state(const LossScale& state) {
  require_steps(state.steps);
  if (scales_loss() &&
      !(state.scale >= kernels::kSmallestLossScale && state.scale <= kernels::kLargestLossScale)) {
    fail(fmt::format("optimizer: the loss scale is {}; it must be between {} and {}", state.scale,
                     kernels::kSmallestLossScale, kernels::kLargestLossScale));
  }
  steps_taken_ = state.steps;
  loss_scaling_.write(parameters_.values().device(), state);
}

int64_t Optimizer::steps_taken() {
  require_not_recording("optimizer.steps_taken()");
  return skips_steps() ? loss_scale_state().steps : steps_taken_;
}

void Optimizer::set_steps_taken(int64_t steps) {
  require_steps(steps);
  steps_taken_ = steps;
  if (!skips_steps()) return;
  LossScale state = loss_scale_state();
  state.steps = steps;
  set_loss_scale_state(state);
}

}  // namespace ripieno::optim
