// Optimizer: the base class of optimizers, which updates a model's parameters from its gradients,
// over whole arenas at once.
//
// It consists of state tensors (optimizer_state.h), parameter groups (parameter_groups.h), a loss
// scale (loss_scaling.h), the scalars of a step (step_scalars.h), and an update rule that a
// subclass provides (docs/add_an_optimizer.md). When ranks shard the state, each owns some ranges
// of elements, has their state, updates them, and receives the other parameters from their owners
// (ZeRO; Rajbhandari et al., 2020, arXiv 1910.02054). Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/core/loss.h"
#include "ripieno/core/optim/loss_scaling.h"
#include "ripieno/core/optim/optimizer_state.h"
#include "ripieno/core/optim/parameter_groups.h"
#include "ripieno/core/optim/step_scalars.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::optim {

// The options that all optimizers have.
struct Common {
  double learning_rate = 1e-3;
  double weight_decay = 0.0;
  // Which parameters decay; by default those with two or more axes (matrices).
  ParameterPredicate decays = {};
  double max_gradient_norm = 0.0;   // clips the global norm; 0 disables clipping
  double max_gradient_value = 0.0;  // clips each element, before the norm; 0 disables it
  bool scales_loss = false;         // dynamic loss scaling: see Optimizer::loss_scale()
  std::vector<ParameterGroup> groups = {};
};

// Of Optimizer::keep_average().
struct AverageOptions {
  double decay = 0.999;
  bool warms_up =
      true;  // decays by at most (1 + step) / (10 + step), so that early steps count less
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // Updates the parameters once, with the gradients divided by `count` and then clipped, and clears
  // the gradients. `count`: a scalar on the parameters' device, such as a loss's count summed over
  // micro-batches and ranks; 1 by default. A count of 0 makes the gradient zero. Frozen parameters
  // are not updated; the state of one that was frozen since the last step is reset to zero, except
  // for master weights. Throws Error, and changes nothing, for any other `count`, and if the state
  // is sharded and the DataParallel that sharded it is gone.
  //
  // Afterwards this thread's random_context().step is one larger, so that the next step draws other
  // random numbers (random.h).
  void step(const Tensor& count = {});
  // The backward of a loss and the step: loss.sum.backward(loss_scale()) and step(loss.count). For
  // programs without DataParallel.
  void step(const Loss& loss);
  // The two halves of step(). begin_step() does the host's work: it counts the step, also in
  // random_context(), and writes the learning rate to device memory. apply_step() enqueues the same
  // work in every step, so a captured graph can replay it.
  void begin_step();
  void apply_step(const Tensor& count = {});

  // What this rank owns, and how it communicates with the others in a step.
  struct Sharding {
    std::vector<ElementRange> ranges;  // of the parameters' layout; disjoint, may be empty
    // Their gradients, in an arena with the layout shard_layout(ranges); null: the parameters' own
    // gradients.
    Arena* gradients = nullptr;
    // Sums `x`, a float64 scalar, over all ranks, in place.
    std::function<void(const Tensor& x)> sum = {};
    // Called when the values of ranges[i] are updated (on a GPU: when that is enqueued).
    std::function<void(std::size_t i)> updated = {};
  };
  // Restricts updates and state to sharding.ranges; existing state of these ranges is kept. Throws
  // Error if ranges overlap or exceed the layout, if a range splits a tensor and
  // needs_whole_tensors(), and if the state is already sharded, unless end_sharding() was called
  // and the ranges are the same.
  void shard(Sharding sharding);
  // Detaches the sharding callbacks. State is kept; a step throws Error until shard() is called
  // again with the same ranges.
  void end_sharding();
  bool is_sharded() const { return state_.is_sharded(); }
  // Whether the update rule uses the shape of a tensor, so that ranges must hold whole tensors.
  virtual bool needs_whole_tensors() const { return false; }
  // The layout of an arena with one tensor per range, in order.
  static std::shared_ptr<const ArenaLayout> shard_layout(const std::vector<ElementRange>& ranges) {
    return OptimizerState::shard_layout(ranges);
  }

  // The seed of the backward if Common::scales_loss is set: a float32 scalar on the parameters'
  // device. step() divides the gradients by it; if one is not finite, the step changes nothing,
  // steps_taken() included, and halves the scale. Otherwise undefined, which means 1. Throws Error
  // for float64 parameters.
  //
  //   loss.sum.backward(optimizer.loss_scale());
  Tensor loss_scale();
  bool scales_loss() const { return common_.scales_loss; }
  // The loss scale and the number of steps, for checkpoints. Waits for the device. Setting throws
  // Error for numbers that no training reaches.
  LossScale loss_scale_state();
  void set_loss_scale_state(const LossScale& state);

  // From now on, a step whose gradient is not finite changes nothing, steps_taken() included, as
  // with a loss scale; so does one whose norm is more than outlier_factor times the mean of recent
  // steps (kernels::LossScale), unless it is 0. Decided on the device, from the norm over all
  // ranks. Call it before the first step. Throws ConfigurationError for an invalid factor.
  void skip_bad_steps(double outlier_factor = 0.0);
  // Whether steps can be skipped, because of a loss scale or of skip_bad_steps().
  bool skips_steps() const { return loss_scaling_.is_enabled(); }

  // From now on keeps the exponential moving average of the parameters, float32, as the state
  // "average": after each step, average += (1 - decay) (parameters - average). After the
  // first step it is the parameters. It is sharded and saved with the state, and can replace the
  // parameters for validation. Call it before the first step. Throws ConfigurationError for a decay
  // outside [0, 1).
  void keep_average(const AverageOptions& options);
  bool keeps_average() const { return average_.has_value(); }
  // Replaces the parameters by their averages; the second call restores them, and so on. Steps in
  // between throw Error. If the state is sharded, call DataParallel::exchange_average() instead.
  void exchange_average();

  // Sets an action that is called at the start of each step(), before anything changes: for code
  // that still reads the parameters or the state.
  void before_step(std::function<void()> action) { before_step_ = std::move(action); }

  // An option by name, as text: ("weight_decay", "0.1").
  struct Option {
    std::string name, value;
  };
  // The options that must be the same on all ranks: all but the learning rate, which DataParallel
  // broadcasts. A subclass appends those of its rule.
  virtual std::vector<Option> options() const;

  // Throws CannotRecord while a step is recorded (device_graph.h), as does steps_taken(): an update
  // rule has both in device memory, in ParameterView and StepScalars.
  double learning_rate() const;
  // Throws ConfigurationError if it is negative or not finite.
  void set_learning_rate(double learning_rate);

  // The scalars of the last step. Waits for the device.
  kernels::StepScalars last_step() const { return scalars_.read(); }
  // The same in device memory, a kernels::StepScalars; undefined before the first step.
  const Tensor& step_scalars() const { return scalars_.tensor(); }
  // The global norm of the last step's gradients before clipping. Waits for the device.
  double gradient_norm() const { return last_step().gradient_norm; }

  // The number of steps taken, without skipped ones. Waits for the device if skips_steps().
  int64_t steps_taken();
  void set_steps_taken(int64_t steps);

  const Parameters& parameters() const { return parameters_; }

  // The state tensors, which a checkpoint has to hold in addition to the parameters.
  using StateTensors = OptimizerState::StateTensors;
  std::vector<StateTensors> state();
  // Adds float32 state tensors of that name, for code that keeps state next to this optimizer;
  // returns the existing arena if there is one.
  Arena& keep(const std::string& name) { return state_.add(name); }
  // What this rank has of a parameter's state tensor, and the shape of the whole state tensor.
  // `parameter`: its index.
  using Part = OptimizerState::Part;
  Part part_of(const StateTensors& tensors, std::size_t parameter) const {
    return state_.part_of(tensors.name, parameter);
  }
  Shape shape_of(const StateTensors& tensors, std::size_t parameter) const {
    return state_.shape_of(tensors.name, parameter);
  }

 protected:
  Optimizer(Parameters parameters, Common common);

  // A range of elements that one launch updates.
  struct Range {
    std::size_t index;                          // index in the ranges of the state
    ElementRange elements;                      // of the parameters' layout
    Tensor values, gradients;                   // (elements); gradients not yet divided or clipped
    const kernels::ParameterSegment* segments;  // in device memory; relative to the range
    int64_t segment_count;
    const kernels::StepScalars* scalars;  // in device memory
  };

  // One parameter, or its elements within a range.
  struct ParameterView {
    const Optimizer& optimizer;
    const Range& range;
    const ArenaLayout::Entry& entry;  // its name, and its whole shape
    std::size_t parameter;            // its index
    int group;                        // index in Common::groups; -1: in none
    double weight_decay;
    // float32 (float64 for float64 parameters), to be changed in place; the master weights if there
    // are any. Has the parameter's shape, or (elements) if shards split it.
    Tensor values;
    Tensor gradient;       // like values; divided by the count, and clipped
    Tensor learning_rate;  // scalar, type of values; includes the group's factor
    // 1 / (1 - beta^step) for decays_of_moments(): scalars with the type of values.
    Tensor first_correction, second_correction;

    // Its state tensor of that name: of the shape of values, or the shape that add_state() was
    // given.
    Tensor state(const std::string& name) const;
  };

  // One trainable parameter within a range, for rules that launch kernels for each.
  struct Piece {
    const ArenaLayout::Entry& entry;           // its name and whole shape
    std::size_t parameter;                     // its index
    int64_t offset;                            // of its first element, from the begin of the range
    const kernels::ParameterSegment* segment;  // in device memory; relative to the parameter
  };
  // Those of a range; requires needs_whole_tensors().
  std::vector<Piece> pieces_of(const Range& range) const;
  // The parameter as update_tensor() receives it.
  ParameterView view_of(const Range& range, std::size_t parameter) const;
  // Sets the narrow parameters of a range to its master weights, if it has any: for rules that
  // changed ParameterView::values.
  void copy_master(const Range& range) const;

  // Adds state tensors for the update rule; call from prepare().
  void add_state(const std::string& name, const StateOptions& options = {}) {
    state_.add(name, options);
  }
  // The elements of a range of a float32 state, in update().
  float* numbers(const std::string& name, const Range& range) const {
    return state_.range(name, range.index).data<float>();
  }
  // Bytes of one float32 state of a range.
  static int64_t float_bytes(const Range& range) {
    return range.elements.elements() * static_cast<int64_t>(sizeof(float));
  }
  // The inputs and outputs of a kernel's step over a range.
  template <typename T>
  kernels::ArenaStep<T> arena_step(const Range& range) const {
    return {.parameter = range.values.data<T>(),
            .master = master_numbers(range),
            .gradient = range.gradients.data<T>(),
            .size = range.values.elements(),
            .segments = range.segments,
            .segment_count = range.segment_count,
            .scalars = range.scalars};
  }
  // The same for one of its parameters, with one segment.
  template <typename T>
  kernels::ArenaStep<T> tensor_step(const Range& range, const Piece& piece) const {
    kernels::ArenaStep<T> step = arena_step<T>(range);
    step.parameter += piece.offset;
    if (step.master) step.master += piece.offset;
    step.gradient += piece.offset;
    step.size = piece.entry.elements;
    step.segments = piece.segment;
    step.segment_count = 1;
    return step;
  }
  // The state tensor of one parameter, for states with shapes of their own.
  Tensor state_of(const std::string& name, const Piece& piece) const {
    return state_.part_of(name, piece.parameter).part;
  }
  // The master weights of a range; null unless parameters are bfloat16 or float16.
  float* master_numbers(const Range& range) const {
    return state_.keeps_master() ? numbers("master", range) : nullptr;
  }

  // Calls add_state() for the state of the update rule.
  virtual void prepare() = 0;
  // The update rule; override one of the two. update() handles a range of elements in one launch,
  // which reads segments and scalars and does nothing if scalars->skips. update_tensor(), which the
  // default update() calls, handles one parameter with tensor operations; if skips_steps(), each
  // step then waits for the device.
  virtual void update(const Range& range);
  virtual void update_tensor(const ParameterView& view);
  // The decay rates beta of the two moments. Moments start at zero, so step t is corrected by 1 /
  // (1 - beta^t). 0: no such moment.
  virtual std::pair<double, double> decays_of_moments() const { return {0.0, 0.0}; }

 private:
  void allocate();
  void write_segments();
  void update_frozen();
  void measure_gradients(const Tensor& count);
  void update_range(std::size_t index);
  void average(const Range& range);
  Range range_at(std::size_t index) const;
  Tensor gradients_of(std::size_t index) const;

  Parameters parameters_;
  Common common_;
  ParameterGroups groups_;
  OptimizerState state_;
  LossScaling loss_scaling_;
  StepScalarsOnDevice scalars_;
  SegmentTable segments_;
  SegmentTable segments_of_parameters_;  // one each; if needs_whole_tensors()
  Sharding sharding_;                    // the ranges are in state_
  std::vector<bool> trainable_;          // (parameters), as in segments_
  std::function<void()> before_step_;
  std::optional<AverageOptions> average_;
  std::vector<Tensor> exchanged_;  // the values of the ranges while averages replace them
  double learning_rate_;
  int64_t steps_taken_ = 0;
  Device device_;  // where state and scalars are allocated
  DType dtype_ = DType::float32;
  bool allocated_ = false;
  bool has_stepped_ = false;
};

}  // namespace ripieno::optim
