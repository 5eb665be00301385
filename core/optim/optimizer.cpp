#include "ripieno/core/optim/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/copy.h"
#include "ripieno/core/place.h"
#include "ripieno/core/tensor_implementation.h"
#include "ripieno/kernels/reduce.h"
#include "ripieno/kernels/store.h"

namespace ripieno::optim {
namespace {

using kernels::DecaySegment;
using kernels::StepScalars;

bool is_matrix(const ArenaLayout::Entry& entry) { return entry.shape.rank() >= 2; }

// One segment for each run of parameters of the same decay; frozen parameters are in none.
std::vector<DecaySegment> segments_of(const Parameters& parameters, const Common& common) {
  std::vector<DecaySegment> segments;
  const auto& entries = parameters.layout().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!parameters.tensors()[i].requires_gradient()) continue;
    const int64_t begin = entries[i].offset;
    const int64_t end =
        i + 1 < entries.size() ? entries[i + 1].offset : parameters.layout().elements();
    const bool decays = common.decays ? common.decays(entries[i]) : is_matrix(entries[i]);
    const auto decay = static_cast<float>(decays ? common.weight_decay : 0.0);
    if (!segments.empty() && segments.back().end == begin &&
        segments.back().weight_decay == decay) {
      segments.back().end = end;
    } else {
      segments.push_back({begin, end, decay});
    }
  }
  return segments;
}

template <typename T>
Tensor bytes_on(Device device, const T* values, std::size_t count) {
  Tensor result({static_cast<int64_t>(count * sizeof(T))}, DType::uint8, device);
  copy_bytes(result.raw_data(), device, values, Device::cpu(), count * sizeof(T));
  return result;
}

// Those within `range`, counted from its begin.
void append_within(std::vector<DecaySegment>& segments, const std::vector<DecaySegment>& all,
                   const ElementRange& range) {
  for (const DecaySegment& segment : all) {
    const int64_t begin = std::max(segment.begin, range.begin);
    const int64_t end = std::min(segment.end, range.end);
    if (begin >= end) continue;
    segments.push_back({begin - range.begin, end - range.begin, segment.weight_decay});
  }
}

void check(const Common& common) {
  const auto require = [](bool holds, const char* name, double value, const char* wanted) {
    if (!holds)
      throw ConfigurationError(
          fmt::format("optimizer: {} is {}; it must be {}", name, value, wanted));
  };
  require(common.learning_rate >= 0.0, "learning_rate", common.learning_rate, "0 or more");
  require(common.weight_decay >= 0.0, "weight_decay", common.weight_decay, "0 or more");
  require(common.max_gradient_norm >= 0.0, "max_gradient_norm", common.max_gradient_norm,
          "0 or more");
}

}  // namespace

Optimizer::Optimizer(Parameters parameters, Common common)
    : parameters_(std::move(parameters)),
      common_(std::move(common)),
      slot_layout_(parameters_.shared_layout()),
      learning_rate_(common_.learning_rate) {
  check(common_);
  sharding_.ranges = {{0, parameters_.layout().elements()}};
}

std::shared_ptr<const ArenaLayout> Optimizer::shard_layout(
    const std::vector<ElementRange>& ranges) {
  auto layout = std::make_shared<ArenaLayout>();
  for (std::size_t i = 0; i < ranges.size(); ++i)
    layout->add(fmt::format("range {}", i), {ranges[i].elements()}, "shard");
  return layout;
}

void Optimizer::shard(Sharding sharding) {
  const bool is_shared_anew = sharded_ && !sharding_.sum && sharding.ranges == sharding_.ranges;
  if (sharded_ && !is_shared_anew) fail("optimizer: it is sharded already, in another way");
  if (is_shared_anew) return void(sharding_ = std::move(sharding));
  const NoGrad no_grad;
  sharding_ = std::move(sharding);
  slot_layout_ = shard_layout(sharding_.ranges);
  sharded_ = true;
  allocated_ = false;
  for (auto& [name, arena] : slots_) {
    const std::unique_ptr<Arena> whole = std::exchange(arena, make_slot(name));
    if (!whole->has_memory()) continue;
    for (std::size_t i = 0; i < sharding_.ranges.size(); ++i) {
      const auto& [begin, end] = sharding_.ranges[i];
      Tensor(arena->tensors()[i]).copy_from(whole->range(begin, end));
    }
  }
}

void Optimizer::end_sharding() { sharding_ = {.ranges = std::move(sharding_.ranges)}; }

bool Optimizer::keeps_master() const {
  const DType dtype = parameters_.values().dtype();
  return dtype == DType::bfloat16 || dtype == DType::float16;
}

std::unique_ptr<Arena> Optimizer::make_slot(const std::string& name) {
  auto arena = std::make_unique<Arena>(slot_layout_, DType::float32, parameters_.values().device(),
                                       parameters_.resource());
  arena->count_as(MemoryKind::optimizer_state);
  if (name == "master") arena->on_first_use([this, &master = *arena] { fill_master(master); });
  return arena;
}

void Optimizer::fill_master(Arena& master) const {
  const NoGrad no_grad;
  if (!sharded_) return (void)master.flat().copy_from(parameters_.values().flat());
  for (std::size_t i = 0; i < sharding_.ranges.size(); ++i) {
    const auto& [begin, end] = sharding_.ranges[i];
    Tensor(master.tensors()[i]).copy_from(parameters_.values().range(begin, end));
  }
}

Arena& Optimizer::slot(const std::string& name) {
  for (auto& [known, arena] : slots_) {
    if (known == name) return *arena;
  }
  slots_.emplace_back(name, make_slot(name));
  return *slots_.back().second;
}

float* Optimizer::numbers(const std::string& name, const Range& range) {
  return slot(name).range(range.slot_begin, range.slot_end).data<float>();
}

float* Optimizer::master_numbers(const Range& range) {
  return keeps_master() ? numbers("master", range) : nullptr;
}

void Optimizer::allocate() {
  const Arena& values = parameters_.values();
  if (allocated_ && device_ == values.device() && dtype_ == values.dtype()) return;
  device_ = values.device();
  dtype_ = values.dtype();
  for (auto& [name, arena] : slots_) arena->to(device_, DType::float32);
  if (common_.scales_loss && dtype_ == DType::float64)
    fail("optimizer: float64 needs no loss scale");
  if (keeps_master()) slot("master");
  prepare();
  write_segments();
  const StepScalars scalars;
  scalars_ = bytes_on(device_, &scalars, 1);
  if (common_.scales_loss) keep_loss_scale();
  int64_t largest = 0;
  for (const auto& range : sharding_.ranges) largest = std::max(largest, range.elements());
  partial_sums_ =
      Tensor({(largest + kernels::kSumChunk - 1) / kernels::kSumChunk}, DType::float64, device_);
  squares_ = Tensor({static_cast<int64_t>(sharding_.ranges.size())}, DType::float64, device_);
  sum_of_squares_ = Tensor({}, DType::float64, device_);
  one_ = Tensor::full({}, 1.0, DType::float64, device_);
  allocated_ = true;
}

void Optimizer::write_segments() {
  const std::vector<DecaySegment> all = segments_of(parameters_, common_);
  std::vector<DecaySegment> segments;
  first_segment_.assign(1, 0);
  for (const auto& range : sharding_.ranges) {
    append_within(segments, all, range);
    first_segment_.push_back(static_cast<int64_t>(segments.size()));
  }
  segments_ = bytes_on(device_, segments.data(), segments.size());
}

std::vector<Optimizer::Slot> Optimizer::state() {
  allocate();
  std::vector<Slot> result;
  for (auto& [name, arena] : slots_) result.push_back({name, arena.get()});
  return result;
}

Optimizer::Part Optimizer::part_of(const Slot& slot, std::size_t parameter) const {
  slot.arena->materialize();
  if (!sharded_) return {0, slot.arena->tensors()[parameter]};
  const auto& entry = parameters_.layout().entries()[parameter];
  for (std::size_t i = 0; i < sharding_.ranges.size(); ++i) {
    const ElementRange& range = sharding_.ranges[i];
    const int64_t begin = std::max(range.begin, entry.offset);
    const int64_t end = std::min(range.end, entry.offset + entry.elements);
    if (begin >= end) continue;
    const Tensor& part = slot.arena->tensors()[i];
    return {begin - entry.offset, part.slice(0, begin - range.begin, end - range.begin)};
  }
  return {};
}

void Optimizer::write_scalars() {
  StepScalars scalars;
  scalars.learning_rate = static_cast<float>(learning_rate_);
  const auto [beta1, beta2] = decays_of_moments();
  const auto steps = static_cast<double>(steps_taken_);
  scalars.first_correction = static_cast<float>(1.0 / (1.0 - std::pow(beta1, steps)));
  scalars.second_correction = static_cast<float>(1.0 / (1.0 - std::pow(beta2, steps)));
  run_on(device_, [&](auto on) {
    kernels::store(on, static_cast<StepScalars*>(scalars_.raw_data()), scalars);
  });
}

Tensor Optimizer::gradients_of(std::size_t index) const {
  if (sharding_.gradients) return sharding_.gradients->tensors()[index];
  const auto& [begin, end] = sharding_.ranges[index];
  return parameters_.gradients().range(begin, end);
}

void Optimizer::measure_gradients(const Tensor& count) {
  const Tensor divisor = count.defined() ? count.to(DType::float64) : one_;
  run(gradients_of(0), [&]<typename T>(auto on) {
    for (std::size_t i = 0; i < sharding_.ranges.size(); ++i) {
      const Tensor gradients = gradients_of(i);
      kernels::sum_of_squares(on, squares_.data<double>() + i, partial_sums_.data<double>(),
                              gradients.data<T>(), gradients.elements());
    }
    kernels::reduce(on, sum_of_squares_.data<double>(), squares_.data<double>(), nullptr, 1,
                    squares_.elements(), 1, kernels::Reduction::kSum, 1.0, false);
  });
  if (sharded_) sharding_.sum(sum_of_squares_);
  const auto [beta1, beta2] = decays_of_moments();
  run_on(device_, [&, beta1 = beta1, beta2 = beta2](auto on) {
    auto* const scalars = static_cast<StepScalars*>(scalars_.raw_data());
    const double max_norm = common_.max_gradient_norm;
    if (common_.scales_loss) {
      kernels::finish_scaled_step_scalars(on, scalars, loss_scale_on_device(),
                                          sum_of_squares_.data<double>(), divisor.data<double>(),
                                          max_norm, beta1, beta2);
    } else {
      kernels::finish_step_scalars(on, scalars, sum_of_squares_.data<double>(),
                                   divisor.data<double>(), max_norm);
    }
  });
}

Optimizer::Range Optimizer::range_at(std::size_t index) const {
  const auto& [begin, end] = sharding_.ranges[index];
  const int64_t slot_begin = sharded_ ? slot_layout_->entries()[index].offset : 0;
  const int64_t first = first_segment_[index];
  return {parameters_.values().range(begin, end),
          gradients_of(index),
          slot_begin,
          slot_begin + (end - begin),
          static_cast<const DecaySegment*>(segments_.raw_data()) + first,
          first_segment_[index + 1] - first,
          static_cast<const StepScalars*>(scalars_.raw_data())};
}

void Optimizer::step(const Tensor& count) {
  if (sharded_ && !sharding_.sum)
    fail("optimizer: the DataParallel that shared its state among the ranks is gone");
  const NoGrad no_grad;
  if (before_step_) before_step_();
  allocate();
  ++steps_taken_;
  if (!sharding_.gradients) parameters_.complete_gradients();
  write_scalars();
  measure_gradients(count);
  for (std::size_t i = 0; i < sharding_.ranges.size(); ++i) {
    if (sharding_.ranges[i].elements() > 0) update(range_at(i));
    if (sharding_.updated) sharding_.updated(i);
  }
  parameters_.clear_gradients();
}

void Optimizer::keep_loss_scale() {
  if (loss_scale_.defined()) return void(loss_scale_ = loss_scale_.to(device_));
  const LossScale initial{.steps = steps_taken_};
  loss_scale_ = bytes_on(device_, &initial, 1);
}

LossScale* Optimizer::loss_scale_on_device() const {
  return static_cast<LossScale*>(loss_scale_.raw_data());
}

Tensor Optimizer::loss_scale() {
  if (!common_.scales_loss) return {};
  allocate();
  static_assert(offsetof(LossScale, scale) == 0);
  return tensor_over(loss_scale_.implementation().storage, 0, {}, {}, DType::float32);
}

LossScale Optimizer::loss_scale_state() {
  if (!common_.scales_loss) return {.scale = 1.0f, .steps = steps_taken_};
  allocate();
  const Tensor host = loss_scale_.to(Device::cpu());
  return *static_cast<const LossScale*>(host.raw_data());
}

void Optimizer::set_loss_scale_state(const LossScale& state) {
  steps_taken_ = state.steps;
  if (common_.scales_loss) loss_scale_ = bytes_on(parameters_.values().device(), &state, 1);
}

int64_t Optimizer::steps_taken() {
  return common_.scales_loss ? loss_scale_state().steps : steps_taken_;
}

void Optimizer::set_steps_taken(int64_t steps) {
  steps_taken_ = steps;
  if (!common_.scales_loss) return;
  LossScale state = loss_scale_state();
  state.steps = steps;
  set_loss_scale_state(state);
}

StepScalars Optimizer::last_step() const {
  if (!scalars_.defined()) return {};
  const Tensor host = scalars_.to(Device::cpu());
  return *static_cast<const StepScalars*>(host.raw_data());
}

}  // namespace ripieno::optim
