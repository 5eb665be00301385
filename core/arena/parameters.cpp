#include "ripieno/core/arena/parameters.h"

#include <exception>
#include <string>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/copy.h"

namespace ripieno {

Parameters::Parameters(std::shared_ptr<const ArenaLayout> layout, std::vector<Tensor> tensors,
                       std::function<void()> initialize)
    : state_(std::make_shared<State>(std::move(layout))) {
  state_->values.adopt(std::move(tensors));
  state_->values.on_first_use(std::move(initialize));
  for (std::size_t i = 0; i < size(); ++i) {
    Tensor parameter = this->tensors()[i];
    const bool frozen = parameter.implementation().leaf && !parameter.requires_gradient();
    if (!frozen) parameter.set_requires_gradient();
    parameter.implementation().leaf->gradient = state_->gradients.tensors()[i];
    state_->named.push_back({this->layout().entries()[i].name, parameter});
    state_->trainable.push_back(!frozen);
  }
}

// A leaf may outlive the model, in a graph or in a handle: without the arena its next gradient gets
// memory of its own.
Parameters::State::~State() {
  if (gradients.has_memory()) return;
  for (std::size_t i = 0; i < named.size(); ++i) {
    autograd::Leaf& leaf = *named[i].tensor.implementation().leaf;
    const Tensor& of_arena = gradients.tensors()[i];
    const bool is_same =
        leaf.gradient.defined() && &leaf.gradient.implementation() == &of_arena.implementation();
    if (!is_same) continue;
    leaf.gradient = {};
    leaf.has_gradient = false;
  }
}

Tensor Parameters::operator[](const std::string& name) const {
  const int index = layout().find(name);
  if (index < 0) fail("parameters: there is no parameter named '" + name + "'");
  return tensors()[static_cast<std::size_t>(index)];
}

int64_t Parameters::elements() const {
  int64_t sum = 0;
  for (const auto& entry : layout().entries()) sum += entry.elements;
  return sum;
}

uint64_t Parameters::trainable_version() const {
  bool has_changed = false;
  for (std::size_t i = 0; i < size(); ++i) {
    const bool is_trainable = tensors()[i].requires_gradient();
    has_changed = has_changed || is_trainable != state_->trainable[i];
    state_->trainable[i] = is_trainable;
  }
  return state_->trainable_version += has_changed;
}

void Parameters::to(Device device, DType dtype) const {
  if (!is_floating_point(dtype)) {
    fail("parameters: the element type must be a floating-point type, got " +
         std::string(name_of(dtype)));
  }
  state_->values.to(device, dtype);
  try {
    state_->gradients.to(device, dtype);
  } catch (const std::exception&) {
    clear_gradients();
    state_->gradients.release();
    state_->gradients.to(device, dtype);
    throw;
  }
}

void Parameters::place_in(MemoryResource* resource) const {
  state_->resource = resource;
  state_->values.place_in(resource);
  state_->gradients.place_in(resource);
}

void Parameters::clear_gradients() const {
  for (Tensor parameter : tensors()) parameter.clear_gradient();
}

void Parameters::complete_gradients() const {
  for (std::size_t i = 0; i < size(); ++i) complete_gradient(i);
}

void Parameters::complete_gradient(std::size_t parameter) const {
  autograd::Leaf& leaf = *tensors()[parameter].implementation().leaf;
  if (std::exchange(leaf.has_gradient, true)) return;
  zero_bytes(leaf.gradient.raw_data(), leaf.gradient.device(), leaf.gradient.bytes());
}

void Parameters::mark_gradients_present() const {
  for (const Tensor& parameter : tensors()) parameter.implementation().leaf->has_gradient = true;
}

}  // namespace ripieno
