#include "ripieno/core/nn/module.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "ripieno/core/arena/name_pattern.h"
#include "ripieno/core/autograd.h"
#include "ripieno/core/nn/buffer_updates.h"
#include "ripieno/core/ops/orthogonal.h"
#include "ripieno/core/ops/truncated_normal.h"
#include "ripieno/core/random.h"
#include "ripieno/core/recomputation.h"

namespace ripieno::nn {
namespace {

void initialize(const Tensor& x, const Initial& initial, const std::string& path) {
  const kernels::RandomKey key{random_context().seed, ripieno::random_stream(path), 0};
  switch (initial.kind) {
    case Initial::Kind::constant:
      return Tensor(x).fill(initial.a);
    case Initial::Kind::normal:
      return fill_normal(x, initial.a, initial.b, key);
    case Initial::Kind::uniform:
      return fill_uniform(x, initial.a, initial.b, key);
    case Initial::Kind::orthogonal:
      return fill_orthogonal(x, initial.a, key);
    case Initial::Kind::truncated_normal:
      return fill_truncated_normal(x, initial.a, initial.b, key);
  }
}

// The layout of the tensors that were found, and their handles in its order.
template <typename Named>
std::pair<std::shared_ptr<const ArenaLayout>, std::vector<Tensor>> laid_out(
    const std::vector<Named>& found) {
  auto layout = std::make_shared<ArenaLayout>();
  std::vector<Tensor> tensors;
  for (const Named& named : found) {
    layout->add(named.path, named.tensor.shape(), named.unit);
    tensors.push_back(named.tensor);
  }
  return {std::move(layout), std::move(tensors)};
}

template <typename Named>
std::function<void()> initialization_of(std::vector<Named> found) {
  return [found = std::move(found)] {
    const NoGrad no_grad;
    for (const Named& named : found) initialize(named.tensor, named.initial, named.path);
  };
}

}  // namespace

// Submodules that are members are moved after this, one by one, and find themselves in the new
// parent's list.
Module::Module(Module&& other) noexcept
    : name_(std::move(other.name_)),
      parent_(std::exchange(other.parent_, nullptr)),
      training_(other.training_),
      stream_(other.stream_),
      direct_parameters_(std::move(other.direct_parameters_)),
      direct_buffers_(std::move(other.direct_buffers_)),
      children_(std::move(other.children_)),
      hooks_(std::move(other.hooks_)),
      parameters_(std::move(other.parameters_)),
      buffers_(std::move(other.buffers_)) {
  for (const auto* tensors : {&direct_parameters_, &direct_buffers_}) {
    for (const Parameter& parameter : *tensors) {
      auto& lazy = parameter.tensor.implementation().lazy;
      if (lazy == static_cast<LazyMemory*>(&other)) lazy = this;
    }
  }
  for (const Child& child : children_) child.module->parent_ = this;
  if (parent_ == nullptr) return;
  for (Child& child : parent_->children_) {
    if (child.module == &other) child.module = this;
  }
}

Module::~Module() {
  for (const auto* tensors : {&direct_parameters_, &direct_buffers_}) {
    for (const Parameter& parameter : *tensors) {
      auto& lazy = parameter.tensor.implementation().lazy;
      if (lazy == static_cast<LazyMemory*>(this)) lazy = &destroyed_memory();
    }
  }
}

Tensor Module::operator()(const Tensor& x) const {
  const Tensor result = forward(x);
  for (const ForwardHook& hook : hooks_) hook(x, result);
  return result;
}

Tensor Module::forward(const Tensor&) const {
  fail("module: '" + path() + "' does not define forward() for a single tensor; override it");
}

void Module::add(const std::string& name, Module& child, Unit unit) {
  if (root().parameters_)
    fail("module: '" + name + "' cannot be added after parameters() of the model was called");
  if (child.parent_ != nullptr || child.parameters_)
    fail("module: '" + name + "' already belongs to another model");
  child.parent_ = this;
  child.name_ = name;
  children_.push_back({name, &child, unit});
}

Tensor Module::lazy_tensor(const Shape& shape) {
  auto tensor = std::make_shared<TensorImplementation>();
  tensor->shape = shape;
  tensor->strides = dense_strides(shape);
  tensor->elements = shape.elements();
  tensor->lazy = this;
  return Tensor::from(std::move(tensor));
}

Tensor Module::add_parameter(const std::string& name, const Shape& shape, const Initial& initial) {
  direct_parameters_.push_back({name, lazy_tensor(shape), initial});
  direct_parameters_.back().tensor.set_requires_gradient();
  return direct_parameters_.back().tensor;
}

Tensor Module::add_buffer(const std::string& name, const Shape& shape, const Initial& initial) {
  direct_buffers_.push_back({name, lazy_tensor(shape), initial});
  return direct_buffers_.back().tensor;
}

void Module::update_buffer(const Tensor& buffer, const Tensor& value, double share) const {
  if (!is_training() || is_recomputing()) return;
  BufferUpdates::add({buffer, value.detach(), share});
}

Module& Module::root() {
  Module* module = this;
  while (module->parent_ != nullptr) module = module->parent_;
  return *module;
}

std::string Module::path() const {
  if (parent_ == nullptr) return name_;
  const std::string above = parent_->path();
  return above.empty() ? name_ : above + "." + name_;
}

void Module::on_forward(ForwardHook hook) {
  if (!hook) fail("on_forward: the hook is an empty function; pass one that can be called");
  hooks_.push_back(std::move(hook));
}

uint64_t Module::random_stream() const {
  return stream_ ? *stream_ : ripieno::random_stream(path());
}

void Module::collect(const std::string& prefix, const std::string& unit, Found& found) {
  stream_ = ripieno::random_stream(path());
  for (const auto& [name, tensor, initial] : direct_parameters_)
    found.parameters.push_back({prefix + name, unit, tensor, initial});
  for (const auto& [name, tensor, initial] : direct_buffers_)
    found.buffers.push_back({prefix + name, unit, tensor, initial});
  for (const Child& child : children_) {
    const std::string path = prefix + child.name;
    // Every direct submodule of the model is a unit. A deeper one starts its own unit if it is
    // declared as one, and otherwise belongs to the unit above it.
    const bool starts_unit = child.unit == Unit::yes || prefix.empty();
    child.module->collect(path + ".", starts_unit ? path : unit, found);
  }
}

void Module::build() {
  if (parent_ != nullptr)
    fail("module: '" + path() +
         "' is part of a model; call parameters() or buffers() on the model");
  static std::mutex mutex;  // several threads may use a new model at once
  const std::lock_guard lock(mutex);
  if (parameters_) return;
  Found found;
  collect("", "", found);
  auto [buffer_layout, buffers] = laid_out(found.buffers);
  buffers_ = std::make_unique<Arena>(std::move(buffer_layout), DType::float32, Device::cpu());
  buffers_->adopt(std::move(buffers));
  buffers_->on_first_use(initialization_of(std::move(found.buffers)));
  auto [layout, tensors] = laid_out(found.parameters);
  parameters_.emplace(std::move(layout), std::move(tensors),
                      initialization_of(std::move(found.parameters)));
}

Parameters Module::parameters() {
  build();
  return *parameters_;
}

Arena& Module::buffers() {
  build();
  if (!buffers_)
    fail("module: this module was moved from and has no buffers; use the one it was moved to");
  return *buffers_;
}

void Module::materialize() {
  Module& model = root();
  model.parameters().values().materialize();
  model.buffers().materialize();
}

void Module::to(Device device, DType dtype) {
  const Parameters all = parameters();
  all.to(device, dtype);
  all.values().materialize();
  buffers_->to(device, DType::float32);
  buffers_->materialize();
}

int Module::set_trainable(std::string_view pattern, bool trainable) {
  const int matching = set_trainable(pattern, trainable, "");
  if (matching == 0) fail("module: no parameter matches '" + std::string(pattern) + "'");
  return matching;
}

int Module::set_trainable(std::string_view pattern, bool trainable, const std::string& prefix) {
  int matching = 0;
  for (Parameter& parameter : direct_parameters_) {
    if (!matches(pattern, prefix + parameter.name)) continue;
    parameter.tensor.set_requires_gradient(trainable);
    ++matching;
  }
  for (const Child& child : children_)
    matching += child.module->set_trainable(pattern, trainable, prefix + child.name + ".");
  return matching;
}

void Module::train(bool training) {
  training_ = training;
  for (const Child& child : children_) child.module->train(training);
}

}  // namespace ripieno::nn
