// Optimizer: turns a model's gradients into a step of its parameters, over whole arenas at once.
//
// It has state (optimizer_state.h), parameter groups (parameter_groups.h), a loss scale
// (loss_scaling.h), the scalars of a step (step_scalars.h), and a rule, which a subclass adds
// (docs/add_an_optimizer.md). Where several ranks share the state, each has that of some ranges of
// elements, updates those, and gets the others from the ranks that own them (ZeRO: Rajbhandari et
// al., 2020, arXiv 1910.02054).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/core/optim/loss_scaling.h"
#include "ripieno/core/optim/optimizer_state.h"
#include "ripieno/core/optim/parameter_groups.h"
#include "ripieno/core/optim/step_scalars.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::optim {

// What all optimizers take.
struct Common {
  double learning_rate = 1e-3;
  double weight_decay = 0.0;
  // Which parameters decay; those with two axes or more (matrices) where not given.
  ParameterPredicate decays = {};
  double max_gradient_norm = 0.0;  // the global norm is clipped to it; 0: no clipping
  bool scales_loss = false;        // see Optimizer::loss_scale()
  std::vector<ParameterGroup> groups = {};
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One step along the gradients divided by `count` (a scalar on the parameters' device: a loss's
  // count, summed over micro-batches and ranks; 1 where not given), then clipped. Clears the
  // gradients. A count of 0 makes the gradient zero. Frozen parameters have no part in it; the
  // state of one that was frozen since the last step starts again from zero.
  void step(const Tensor& count = {});
  // Its two halves. begin_step() does what the host decides: it counts the step, and writes the
  // learning rate to device memory. apply_step() enqueues the same work in every step, so a
  // captured graph replays it alone.
  void begin_step();
  void apply_step(const Tensor& count = {});

  // What a rank owns, and how it meets the others in a step.
  struct Sharding {
    std::vector<ElementRange> ranges;  // of the parameters' layout; disjoint, some may be empty
    // Their gradients, in an arena of shard_layout(ranges); null: those of the parameters.
    Arena* gradients = nullptr;
    // Sums `x`, a float64 scalar, over the ranks.
    std::function<void(const Tensor& x)> sum = {};
    // The values of ranges[i] are updated (on a GPU: the update is enqueued).
    std::function<void(std::size_t i)> updated = {};
  };
  // From now on only sharding.ranges are updated, and have state: what there is of it stays. Throws
  // Error where it is sharded already, or where a range cuts a tensor that the rule needs whole.
  void shard(Sharding sharding);
  // Detaches the sharding callbacks. State is kept; a step throws Error until shard() is called
  // again with the same ranges.
  void end_sharding();
  bool is_sharded() const { return state_.is_sharded(); }
  // Whether the rule sees the shape of a tensor, so that ranges must hold whole tensors.
  virtual bool needs_whole_tensors() const { return false; }
  static std::shared_ptr<const ArenaLayout> shard_layout(const std::vector<ElementRange>& ranges) {
    return OptimizerState::shard_layout(ranges);
  }

  // What a backward has to start from where Common::scales_loss: a scalar of float32 on the
  // parameters' device. step() divides by it; with a gradient that is not finite it changes
  // nothing, steps_taken() included, and halves the scale. Elsewhere undefined, which means 1.
  //   loss.sum.backward(optimizer.loss_scale());
  Tensor loss_scale();
  bool scales_loss() const { return common_.scales_loss; }
  // What a resumed run must know of it: waits for the device.
  LossScale loss_scale_state();
  void set_loss_scale_state(const LossScale& state);

  // Called at the start of each step(), before anything is changed: by whoever still reads the
  // parameters or the state.
  void before_step(std::function<void()> action) { before_step_ = std::move(action); }

  double learning_rate() const { return learning_rate_; }
  void set_learning_rate(double learning_rate) { learning_rate_ = learning_rate; }

  // Of the last step: waits for the device.
  kernels::StepScalars last_step() const { return scalars_.read(); }
  // The same where kernels read it, a kernels::StepScalars; undefined before the first step.
  const Tensor& step_scalars() const { return scalars_.tensor(); }
  double gradient_norm() const { return last_step().gradient_norm; }  // before clipping

  // Where the loss is scaled: waits for the device.
  int64_t steps_taken();
  void set_steps_taken(int64_t steps);

  const Parameters& parameters() const { return parameters_; }

  // The state that a checkpoint has to hold besides the parameters.
  using Slot = OptimizerState::Slot;
  std::vector<Slot> state();
  // Adds an arena of float32 to the state, for whoever steps beside this optimizer; where it is
  // there already, it is that one.
  Arena& keep(const std::string& name) { return state_.add(name); }
  using Part = OptimizerState::Part;
  Part part_of(const Slot& slot, std::size_t parameter) const {
    return state_.part_of(slot.name, parameter);
  }
  Shape shape_of(const Slot& slot, std::size_t parameter) const {
    return state_.shape_of(slot.name, parameter);
  }

 protected:
  Optimizer(Parameters parameters, Common common);

  // Elements that are updated at once, in one launch.
  struct Range {
    std::size_t index;         // in the state's ranges
    ElementRange elements;     // of the parameters' layout
    Tensor values, gradients;  // (elements); gradients are neither divided nor clipped yet
    const kernels::ParameterSegment* segments;  // in device memory; they count from 0
    int64_t segment_count;
    const kernels::StepScalars* scalars;  // in device memory
  };

  // One parameter, or the elements of it that a range holds.
  struct ParameterView {
    const Optimizer& optimizer;
    const Range& range;
    const ArenaLayout::Entry& entry;  // its name, and its whole shape
    std::size_t parameter;            // its index
    int group;                        // index in Common::groups; -1: in none
    double weight_decay;
    // float32 (float64 where parameters are), to be changed in place: the master weights where
    // there are any. The parameter's shape, or (elements) where shards cut it.
    Tensor values;
    Tensor gradient;       // like values; divided by the count, and clipped
    Tensor learning_rate;  // a scalar like values; with the group's factor
    // 1 / (1 - beta^step) of decays_of_moments(), scalars like values.
    Tensor first_correction, second_correction;

    // Its state: of values' shape, or the shape that add_state() was given.
    Tensor state(const std::string& name) const;
  };

  // State that the rule needs; call from prepare().
  void add_state(const std::string& name, const StateOptions& options = {}) {
    state_.add(name, options);
  }
  // A range's numbers of a float32 state, in update().
  float* numbers(const std::string& name, const Range& range) const {
    return state_.range(name, range.index).data<float>();
  }  // What a kernel's step over a range works on.
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
  // The master's; null where parameters are not narrower than float32.
  float* master_numbers(const Range& range) const {
    return state_.keeps_master() ? numbers("master", range) : nullptr;
  }

  // Adds the state.
  virtual void prepare() = 0;
  // The rule, one of the two: for a range of elements, in one launch that reads segments and
  // scalars and does nothing where scalars->skips; or, called by the first, in tensor operations
  // for a parameter at a time (with a loss scale each step then waits for the device).
  virtual void update(const Range& range);
  virtual void update_tensor(const ParameterView& view);
  // Of the decays beta of the two moments, which begin at zero, so that step t is corrected for
  // 1 - beta^t; 0 where there are none.
  virtual std::pair<double, double> decays_of_moments() const { return {0.0, 0.0}; }

 private:
  void allocate();
  void write_segments();
  void follow_freezing();
  void measure_gradients(const Tensor& count);
  void update_range(std::size_t index);
  Range range_at(std::size_t index) const;
  Tensor gradients_of(std::size_t index) const;
  ParameterView view_of(const Range& range, std::size_t parameter) const;

  Parameters parameters_;
  Common common_;
  ParameterGroups groups_;
  OptimizerState state_;
  LossScaling loss_scaling_;
  StepScalarsOnDevice scalars_;
  SegmentTable segments_;
  Sharding sharding_;            // without its ranges, which the state has
  std::vector<bool> trainable_;  // (parameters) as of segments_
  std::function<void()> before_step_;
  double learning_rate_;
  int64_t steps_taken_ = 0;
  Device device_;  // of what is allocated
  DType dtype_ = DType::float32;
  bool allocated_ = false;
};

}  // namespace ripieno::optim
