// Module: the base class of models and their layers, which holds parameters, buffers and
// submodules.
//
//   struct Perceptron : nn::Module {
//     nn::Linear hidden{64, 256, {.activation = Activation::kRelu}}, out{256, 10};
//     Perceptron() { add("hidden", hidden); add("out", out); }
//     Tensor forward(const Tensor& x) const override { return out(hidden(x)); }
//   };
//
// Submodules must live as long as the module that they were added to; usually they are its members.
// A module may be moved, with its submodules, until parameters() of the model is called.
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

// The initial values of a parameter: a function of (the thread's random seed, the parameter's path,
// index), and for orthogonal matrices also of the shape.
struct Initial {
  enum class Kind { constant, normal, uniform, orthogonal, truncated_normal };
  Kind kind = Kind::constant;
  double a = 0.0, b = 0.0;

  static Initial constant(double value) { return {Kind::constant, value, 0.0}; }
  // Mean 0.
  static Initial normal(double deviation) { return {Kind::normal, 0.0, deviation}; }
  // Mean 0, without values beyond `bound` deviations (fill_truncated_normal() in
  // ops/truncated_normal.h); `deviation` is that of the normal distribution that is truncated.
  static Initial truncated_normal(double deviation, double bound = 2.0) {
    return {Kind::truncated_normal, deviation, bound};
  }
  // Between -bound and bound.
  static Initial uniform(double bound) { return {Kind::uniform, -bound, bound}; }
  // `gain` times a matrix with orthonormal rows or columns (fill_orthogonal() in ops/orthogonal.h).
  static Initial orthogonal(double gain = 1.0) { return {Kind::orthogonal, gain, 0.0}; }
};

class Module : LazyMemory {
 public:
  Module() = default;
  Module(Module&& other) noexcept;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  virtual ~Module();

  // Calls forward() and then the hooks. Modules with other inputs define operators of their own,
  // next to "using Module::operator();".
  Tensor operator()(const Tensor& x) const;
  // Adds a hook that is called after each forward that went through the operator above. In strict
  // mode several threads call it at once, and a backward that recomputes the forward calls it again
  // (is_recomputing()). Throws Error for an empty function.
  using ForwardHook = std::function<void(const Tensor& input, const Tensor& output)>;
  void on_forward(ForwardHook hook);

  // The parameters of the whole model in the order in which they were added, named by path
  // ("blocks.0.up.weight"). Call on the outermost module only: throws Error for a submodule. After
  // the first call, no module can be added.
  Parameters parameters();

  // The buffers of the whole model: float32 tensors without gradients, such as running statistics,
  // named by path. They are saved in checkpoints, and are the same on all ranks at the start. Call
  // on the outermost module only.
  Arena& buffers();

  // Freezes the parameters whose path within this module matches `pattern`
  // (core/arena/name_pattern.h): they get no gradient and are not updated. May be called before any
  // step. Returns the number of parameters that match; throws Error if there is none.
  int freeze(std::string_view pattern = "*") { return set_trainable(pattern, false); }
  // Undoes freeze().
  int thaw(std::string_view pattern = "*") { return set_trainable(pattern, true); }

  // Moves the parameters and converts them to `dtype`; moves the buffers, which stay float32. If
  // they are not allocated yet, they are allocated and initialized on `device`. Without this call
  // they are float32 on the CPU, allocated at first use.
  void to(Device device, DType dtype = DType::float32);

  // Selects training or evaluation mode, for this module and its submodules: dropout and buffer
  // updates happen in training mode only. Training mode is the default.
  void train(bool training = true);
  // Same as train(false).
  void evaluate() { train(false); }
  bool is_training() const { return training_; }

  // The random stream of this module: a hash of its path (random.h).
  uint64_t random_stream() const;

 protected:
  // The forward for one input. Throws Error unless overridden.
  virtual Tensor forward(const Tensor& x) const;

  // Whether a submodule is a unit, which is gathered, sharded and recomputed as a whole: a
  // transformer block.
  enum class Unit { no, yes };
  // Adds a submodule. Throws Error if it belongs to another model already, or if parameters() of
  // this model was called.
  void add(const std::string& name, Module& child, Unit unit = Unit::no);
  // Adds a trainable tensor and returns its handle. It has no memory until it is used.
  Tensor add_parameter(const std::string& name, const Shape& shape, const Initial& initial);
  // The same for a buffer, which has no gradient and is float32.
  Tensor add_buffer(const std::string& name, const Shape& shape,
                    const Initial& initial = Initial::constant(0.0));
  // Updates a buffer from a forward: buffer += share * (value - buffer). Does nothing in evaluation
  // mode and during recomputation, so it happens once per slot or micro-batch (buffer_updates.h). A
  // forward that also reads the buffer must read a clone() of it; when the forward is recomputed,
  // the clone has the buffer's value at that time.
  void update_buffer(const Tensor& buffer, const Tensor& value, double share) const;

 private:
  struct Parameter {
    std::string name;
    Tensor tensor;
    Initial initial;
  };
  struct Child {
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
  Module& root();
  std::string path() const;
  void collect(const std::string& prefix, const std::string& unit, Found& found);
  Tensor lazy_tensor(const Shape& shape);
  int set_trainable(std::string_view pattern, bool trainable);
  int set_trainable(std::string_view pattern, bool trainable, const std::string& prefix);

  std::string name_;
  Module* parent_ = nullptr;
  bool training_ = true;
  std::optional<uint64_t> stream_;  // set when the model is built
  std::vector<Parameter> direct_parameters_, direct_buffers_;
  std::vector<Child> children_;
  std::vector<ForwardHook> hooks_;
  std::optional<Parameters> parameters_;
  std::unique_ptr<Arena> buffers_;
};

}  // namespace ripieno::nn
