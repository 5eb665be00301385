#include "ripieno/core/nn/module.h"

#include "ripieno/core/autograd.h"
#include "ripieno/core/random.h"

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
  }
}

}  // namespace

void Module::add(const std::string& name, Module& part, Unit unit) {
  if (outermost().parameters_)
    fail("module: '" + name + "' was added after the model's parameters were asked for");
  if (part.whole_ != nullptr || part.parameters_)
    fail("module: '" + name + "' is part of another model already");
  part.whole_ = this;
  part.name_ = name;
  parts_.push_back({name, &part, unit});
}

Tensor Module::add_parameter(const std::string& name, const Shape& shape, const Initial& initial) {
  auto tensor = std::make_shared<TensorImplementation>();
  tensor->shape = shape;
  tensor->strides = dense_strides(shape);
  tensor->elements = shape.elements();
  tensor->lazy = this;
  own_.push_back({name, Tensor::from(std::move(tensor)), initial});
  own_.back().tensor.set_requires_gradient();
  return own_.back().tensor;
}

Module& Module::outermost() {
  Module* module = this;
  while (module->whole_ != nullptr) module = module->whole_;
  return *module;
}

std::string Module::path() const {
  if (whole_ == nullptr) return name_;
  const std::string above = whole_->path();
  return above.empty() ? name_ : above + "." + name_;
}

uint64_t Module::random_stream() const {
  return stream_ ? *stream_ : ripieno::random_stream(path());
}

void Module::collect(const std::string& prefix, const std::string& unit,
                     std::vector<Named>& found) {
  stream_ = ripieno::random_stream(path());
  for (const Parameter& parameter : own_) {
    found.push_back({prefix + parameter.name, unit, &parameter});
  }
  for (const Part& part : parts_) {
    const std::string path = prefix + part.name;
    // The parts of the whole are units, unless a part below says that it is one.
    const bool starts_unit = part.unit == Unit::yes || prefix.empty();
    part.module->collect(path + ".", starts_unit ? path : unit, found);
  }
}

Parameters Module::parameters() {
  if (whole_ != nullptr)
    fail("module: '" + path() + "' is part of a model; ask the model for its parameters");
  if (parameters_) return *parameters_;
  auto found = std::make_shared<std::vector<Named>>();
  collect("", "", *found);
  auto layout = std::make_shared<ArenaLayout>();
  std::vector<Tensor> tensors;
  for (const Named& named : *found) {
    layout->add(named.path, named.parameter->tensor.shape(), named.unit);
    tensors.push_back(named.parameter->tensor);
  }
  parameters_.emplace(std::move(layout), std::move(tensors), [found] {
    const NoGrad no_grad;
    for (const Named& named : *found) {
      initialize(named.parameter->tensor, named.parameter->initial, named.path);
    }
  });
  return *parameters_;
}

void Module::materialize() { outermost().parameters().values().materialize(); }

void Module::to(Device device, DType dtype) {
  const Parameters all = parameters();
  all.to(device, dtype);
  all.values().materialize();
}

void Module::train(bool training) {
  training_ = training;
  for (const Part& part : parts_) part.module->train(training);
}

}  // namespace ripieno::nn
