// Module: a part of a model, with parameters, buffers and parts of its own.
//
//   struct Perceptron : nn::Module {
//     nn::Linear hidden{64, 256, {.activation = Activation::kRelu}}, out{256, 10};
//     Perceptron() { add("hidden", hidden); add("out", out); }
//     Tensor forward(const Tensor& x) const override { return out(hidden(x)); }
//   };
//
// Parts are members, or live as long as the whole that they were added to. A module may be moved,
// with its parts, until the model's parameters are asked for.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/core/tensor.h"
#include "ripieno/core/tensor_implementation.h"

namespace ripieno::nn {

// How a parameter begins. The numbers are a function of (the thread's random seed, the parameter's
// path, index), of a matrix that is orthogonal also of its shape.
struct Initial {
  enum class Kind { constant, normal, uniform, orthogonal };
  Kind kind = Kind::constant;
  double a = 0.0, b = 0.0;

  static Initial constant(double value) { return {Kind::constant, value, 0.0}; }
  static Initial normal(double deviation) { return {Kind::normal, 0.0, deviation}; }
  static Initial uniform(double bound) { return {Kind::uniform, -bound, bound}; }
  // gain times a matrix with orthonormal rows or columns: see fill_orthogonal() (ops/orthogonal.h).
  static Initial orthogonal(double gain = 1.0) { return {Kind::orthogonal, gain, 0.0}; }
};

class Module : LazyMemory {
 public:
  Module() = default;
  Module(Module&& other) noexcept;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  virtual ~Module() = default;

  // The forward of a module of one input, and its hooks. Modules of other inputs have operators of
  // their own beside it ("using Module::operator();").
  Tensor operator()(const Tensor& x) const;
  // Called after each forward that came through the operator above, also by several threads at once
  // (strict mode), and again by a backward that recomputes it (is_recomputing()).
  using ForwardHook = std::function<void(const Tensor& input, const Tensor& output)>;
  void on_forward(ForwardHook hook) { hooks_.push_back(std::move(hook)); }

  // Of the whole model, in the order in which they were added, named by path
  // ("blocks.0.up.weight"). Only the outermost module has them. The first call ends the building of
  // the model.
  Parameters parameters();

  // What a model keeps besides parameters, of float32, named by path: saved with it, the same on
  // all ranks at the start, and without gradients. Only the outermost module has them.
  Arena& buffers();

  // Parameters whose path within this module matches (core/arena/name_pattern.h) are frozen: they
  // get no gradient and do not change. At any step; returns how many match, and throws Error where
  // none does.
  int freeze(std::string_view pattern = "*") { return set_trainable(pattern, false); }
  int thaw(std::string_view pattern = "*") { return set_trainable(pattern, true); }

  // Moves and converts the parameters, and moves the buffers. They appear here, or at their first
  // use, on the CPU as float32.
  void to(Device device, DType dtype = DType::float32);

  // Whether dropout drops; true from the start.
  void train(bool training = true);
  void evaluate() { train(false); }
  bool is_training() const { return training_; }

  // The stream of random numbers of this module: a hash of its path.
  uint64_t random_stream() const;

 protected:
  // Throws Error unless overridden.
  virtual Tensor forward(const Tensor& x) const;

  // A unit is gathered, sharded and recomputed as a whole (a block of a transformer).
  enum class Unit { no, yes };
  void add(const std::string& name, Module& part, Unit unit = Unit::no);
  Tensor add_parameter(const std::string& name, const Shape& shape, const Initial& initial);
  Tensor add_buffer(const std::string& name, const Shape& shape,
                    const Initial& initial = Initial::constant(0.0));
  // For a forward: buffer += share (value - buffer), while training, and once for each slot or
  // micro-batch, whether it is recomputed or not (buffer_updates.h). A forward that also reads the
  // buffer reads a clone of it; where it is recomputed, that clone is of the
  // buffer as it is then.
  void update_buffer(const Tensor& buffer, const Tensor& value, double share) const;

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
  struct Named {  // a parameter or a buffer with its full path
    std::string path, unit;
    Tensor tensor;
    Initial initial;
  };
  struct Found {
    std::vector<Named> parameters, buffers;
  };

  void materialize() override;
  void build();
  Module& outermost();
  std::string path() const;
  void collect(const std::string& prefix, const std::string& unit, Found& found);
  Tensor lazy_tensor(const Shape& shape);
  int set_trainable(std::string_view pattern, bool trainable);
  int set_trainable(std::string_view pattern, bool trainable, const std::string& prefix);

  std::string name_;
  Module* whole_ = nullptr;
  bool training_ = true;
  std::optional<uint64_t> stream_;  // known once the model is built
  std::vector<Parameter> own_, own_buffers_;
  std::vector<Part> parts_;
  std::vector<ForwardHook> hooks_;
  std::optional<Parameters> parameters_;
  std::unique_ptr<Arena> buffers_;
};

}  // namespace ripieno::nn
