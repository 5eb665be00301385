#include "ripieno/core/optim/optimizer_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/error.h"

namespace ripieno::optim {
OptimizerState::OptimizerState(Parameters parameters)
    : parameters_(std::move(parameters)),
      ranges_{{0, parameters_.layout().elements()}},
      layout_(parameters_.shared_layout()) {}

std::shared_ptr<const ArenaLayout> OptimizerState::shard_layout(
    const std::vector<ElementRange>& ranges) {
  auto layout = std::make_shared<ArenaLayout>();
  for (std::size_t i = 0; i < ranges.size(); ++i)
    layout->add(fmt::format("range {}", i), {ranges[i].elements()}, "shard");
  return layout;
}

bool OptimizerState::keeps_master() const {
  const DType dtype = parameters_.values().dtype();
  return dtype == DType::bfloat16 || dtype == DType::float16;
}

Arena& OptimizerState::add(const std::string& name, const StateOptions& options) {
  for (const NamedState& state : states_) {
    if (state.name == name) return *state.arena;
  }
  states_.push_back({name, options, nullptr, {}});
  make_arena(states_.back());
  return *states_.back().arena;
}

std::vector<OptimizerState::StateTensors> OptimizerState::tensors_by_name() const {
  std::vector<StateTensors> result;
  for (const NamedState& state : states_) result.push_back({state.name, state.arena.get()});
  return result;
}

void OptimizerState::to(Device device) {
  for (const NamedState& state : states_) state.arena->to(device, state.options.dtype);
}

const OptimizerState::NamedState& OptimizerState::at(const std::string& name) const {
  for (const NamedState& state : states_) {
    if (state.name == name) return state;
  }
  fail("optimizer: no state is named '" + name + "'; call add_state() in prepare()");
}

void OptimizerState::make_arena(NamedState& state) const {
  state.arena = std::make_unique<Arena>(layout_of(state), state.options.dtype,
                                        parameters_.values().device(), parameters_.resource());
  state.arena->count_as(MemoryKind::optimizer_state);
  if (state.options.is_copy)
    state.arena->on_first_use([this, &copy = *state.arena] { fill_copy(copy); });
}

std::shared_ptr<const ArenaLayout> OptimizerState::layout_of(NamedState& state) const {
  if (!state.options.shape) return layout_;
  auto layout = std::make_shared<ArenaLayout>();
  state.entry_of.clear();
  for (const auto& entry : parameters_.layout().entries()) {
    const bool is_here = has_whole(entry);
    state.entry_of.push_back(is_here ? static_cast<int>(layout->entries().size()) : -1);
    if (is_here) layout->add(entry.name, state.options.shape(entry), state.name);
  }
  return layout;
}

bool OptimizerState::has_whole(const ArenaLayout::Entry& entry) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const ElementRange& range) {
    return range.begin <= entry.offset && entry.offset + entry.elements <= range.end;
  });
}

void OptimizerState::fill_copy(Arena& copy) const {
  const NoGrad no_grad;
  if (!is_sharded_) return (void)copy.flat().copy_from(parameters_.values().flat());
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const auto& [begin, end] = ranges_[i];
    Tensor(copy.tensors()[i]).copy_from(parameters_.values().range(begin, end));
  }
}

void OptimizerState::shard(std::vector<ElementRange> ranges) {
  const NoGrad no_grad;
  ranges_ = std::move(ranges);
  layout_ = shard_layout(ranges_);
  is_sharded_ = true;
  for (NamedState& state : states_) {
    const NamedState whole = {state.name, state.options, std::move(state.arena),
                              std::move(state.entry_of)};
    make_arena(state);
    if (whole.arena->has_memory()) copy_ranges(whole, state);
  }
}

// From an arena of all parameters to one of those that this rank owns.
void OptimizerState::copy_ranges(const NamedState& from, const NamedState& to) const {
  if (!to.options.shape) {
    for (std::size_t i = 0; i < ranges_.size(); ++i) {
      const auto& [begin, end] = ranges_[i];
      Tensor(to.arena->tensors()[i]).copy_from(from.arena->range(begin, end));
    }
    return;
  }
  for (std::size_t i = 0; i < to.entry_of.size(); ++i) {
    if (to.entry_of[i] < 0) continue;
    Tensor(to.arena->tensors()[static_cast<std::size_t>(to.entry_of[i])])
        .copy_from(from.arena->tensors()[static_cast<std::size_t>(from.entry_of[i])]);
  }
}

Tensor OptimizerState::range(const std::string& name, std::size_t index) const {
  const NamedState& state = at(name);
  if (state.options.shape)
    fail("optimizer: the state '" + name + "' has its own shapes; it has no element ranges");
  const auto& [begin, end] = ranges_[index];
  const int64_t first = is_sharded_ ? layout_->entries()[index].offset : begin;
  return state.arena->range(first, first + end - begin);
}

OptimizerState::Part OptimizerState::part_of(const std::string& name, std::size_t parameter) const {
  const NamedState& state = at(name);
  state.arena->materialize();
  if (state.options.shape) {
    const int entry = state.entry_of[parameter];
    if (entry < 0) return {};
    return {0, state.arena->tensors()[static_cast<std::size_t>(entry)]};
  }
  if (!is_sharded_) return {0, state.arena->tensors()[parameter]};
  return split_part_of(state, parameter);
}

OptimizerState::Part OptimizerState::split_part_of(const NamedState& state,
                                                   std::size_t parameter) const {
  const auto& entry = parameters_.layout().entries()[parameter];
  for (std::size_t i = 0; i < ranges_.size(); ++i) {
    const ElementRange& range = ranges_[i];
    const int64_t begin = std::max(range.begin, entry.offset);
    const int64_t end = std::min(range.end, entry.offset + entry.elements);
    if (begin >= end) continue;
    const Tensor& part = state.arena->tensors()[i];
    return {begin - entry.offset, part.slice(0, begin - range.begin, end - range.begin)};
  }
  return {};
}

Shape OptimizerState::shape_of(const std::string& name, std::size_t parameter) const {
  const NamedState& state = at(name);
  const auto& entry = parameters_.layout().entries()[parameter];
  return state.options.shape ? state.options.shape(entry) : entry.shape;
}

void OptimizerState::reset(std::size_t parameter) const {
  const NoGrad no_grad;
  for (const NamedState& state : states_) {
    if (state.options.is_copy || !state.arena->has_memory()) continue;
    Tensor part = part_of(state.name, parameter).part;
    if (part.defined()) part.fill(0.0);
  }
}

}  // namespace ripieno::optim
