// Module: a part of a model, with parameters and parts of its own.
//
//   struct Perceptron : nn::Module {
//     nn::Linear hidden{64, 256, {.activation = Activation::kRelu}}, out{256, 10};
//     Perceptron() { add("hidden", hidden); add("out", out); }
//     Tensor operator()(const Tensor& x) { return out(hidden(x)); }
//   };
//
// Parts are members: a module does not move, and outlives the whole that it was added to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/core/tensor.h"
#include "ripieno/core/tensor_implementation.h"

namespace ripieno::nn {

// How a parameter begins. The numbers are a function of (the thread's random seed, the parameter's
// path, index).
struct Initial {
  enum class Kind { constant, normal, uniform };
  Kind kind = Kind::constant;
  double a = 0.0, b = 0.0;

  static Initial constant(double value) { return {Kind::constant, value, 0.0}; }
  static Initial normal(double deviation) { return {Kind::normal, 0.0, deviation}; }
  static Initial uniform(double bound) { return {Kind::uniform, -bound, bound}; }
};

class Module : LazyMemory {
 public:
  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  virtual ~Module() = default;

  // Of the whole model, in the order in which they were added, named by path
  // ("blocks.0.up.weight"). Only the outermost module has them. The first call ends the building of
  // the model.
  Parameters parameters();

  // Moves and converts the parameters. They appear here, or at their first use, on the CPU as
  // float32.
  void to(Device device, DType dtype = DType::float32);

  // Whether dropout drops; true from the start.
  void train(bool training = true);
  void evaluate() { train(false); }
  bool is_training() const { return training_; }

  // The stream of random numbers of this module: a hash of its path.
  uint64_t random_stream() const;

 protected:
  // A unit is gathered, sharded and recomputed as a whole (a block of a transformer).
  enum class Unit { no, yes };
  void add(const std::string& name, Module& part, Unit unit = Unit::no);
  Tensor add_parameter(const std::string& name, const Shape& shape, const Initial& initial);

 private:
  struct Parameter {
    std::string name;
    Tensor tensor;
    Initial initial;
  };
  struct Part {
    std::string name;
    Module* module;
    Unit unit;
  };
  struct Named {  // a parameter with its full path
    std::string path, unit;
    const Parameter* parameter;
  };

  void materialize() override;
  Module& outermost();
  std::string path() const;
  void collect(const std::string& prefix, const std::string& unit, std::vector<Named>& found);

  std::string name_;
  Module* whole_ = nullptr;
  bool training_ = true;
  std::optional<uint64_t> stream_;  // known once the model is built
  std::vector<Parameter> own_;
  std::vector<Part> parts_;
  std::optional<Parameters> parameters_;
};

}  // namespace ripieno::nn
