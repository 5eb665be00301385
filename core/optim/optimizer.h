// Optimizer: turns a model's gradients into a step of its parameters, over whole arenas at once.
//
// Its state lies in arenas of the parameters' layout, and appears with the first step or with
// state(). Where several ranks share it, each has the state of some ranges of elements, updates
// those, and gets the others from the ranks that own them (ZeRO: Rajbhandari et al., 2020, arXiv
// 1910.02054).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::optim {

// What all optimizers take.
struct Common {
  double learning_rate = 1e-3;
  double weight_decay = 0.0;
  // Which parameters decay; those with two axes or more (matrices) where not given.
  std::function<bool(const ArenaLayout::Entry&)> decays = {};
  double max_gradient_norm = 0.0;  // the global norm is clipped to it; 0: no clipping
  bool scales_loss = false;        // see Optimizer::loss_scale()
};

// kernels::LossScale: what dynamic loss scaling keeps from step to step.
using LossScale = kernels::LossScale;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One step along the gradients divided by `count` (a scalar on the parameters' device: a loss's
  // count, summed over micro-batches and ranks; 1 where not given), then clipped. Clears the
  // gradients. A count of 0 makes the gradient zero.
  void step(const Tensor& count = {});

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
  // Error where it is sharded already.
  void shard(Sharding sharding);
  // Whoever gave the sharding goes: the state stays, but a step throws Error until the same ranges
  // are given again.
  void end_sharding();
  bool is_sharded() const { return sharded_; }
  // Each range a tensor, one after the other.
  static std::shared_ptr<const ArenaLayout> shard_layout(const std::vector<ElementRange>& ranges);

  // What a backward has to start from where Common::scales_loss: a scalar of float32 on the
  // parameters' device, which grows and shrinks so that gradients fit float16 (Micikevicius et al.,
  // 2018, arXiv 1710.03740). step() divides by it; with a gradient that is not finite it changes
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
  kernels::StepScalars last_step() const;
  // The same where kernels read it, a kernels::StepScalars; undefined before the first step.
  const Tensor& step_scalars() const { return scalars_; }
  double gradient_norm() const { return last_step().gradient_norm; }  // before clipping

  // Where the loss is scaled: waits for the device.
  int64_t steps_taken();
  void set_steps_taken(int64_t steps);

  const Parameters& parameters() const { return parameters_; }

  // The arenas that a checkpoint has to hold besides the parameters: of their layout, or of
  // shard_layout(ranges).
  struct Slot {
    std::string name;  // "first_moment", …
    Arena* arena;
  };
  std::vector<Slot> state();
  // Adds an arena of float32 to the state, for whoever steps beside this optimizer; where it is
  // there already, it is that one.
  Arena& keep(const std::string& name) { return slot(name); }
  // What this rank has of a slot for one parameter (its index): elements begin <= i < begin +
  // part.elements() of it, the parameter's shape where that is all. Undefined: nothing.
  struct Part {
    int64_t begin = 0;
    Tensor part;
  };
  Part part_of(const Slot& slot, std::size_t parameter) const;

 protected:
  Optimizer(Parameters parameters, Common common);

  // A range of elements that is updated at once. Segments count from its begin.
  struct Range {
    Tensor values, gradients;      // (elements)
    int64_t slot_begin, slot_end;  // of it in the slots
    const kernels::DecaySegment* segments;
    int64_t segment_count;
    const kernels::StepScalars* scalars;
  };

  // A further arena of float32 where the parameters live. Call from prepare().
  Arena& slot(const std::string& name);
  // A slot's numbers for a range, in update().
  float* numbers(const std::string& name, const Range& range);
  // The master's; null where parameters are not narrower than float32.
  float* master_numbers(const Range& range);

  // Asks for the slots; then one launch over each range.
  virtual void prepare() = 0;
  virtual void update(const Range& range) = 0;
  // Of the decays beta of the two moments, which begin at zero, so that step t is corrected for
  // 1 - beta^t; 0 where there are none.
  virtual std::pair<double, double> decays_of_moments() const { return {0.0, 0.0}; }

  Parameters parameters_;

 private:
  bool keeps_master() const;
  std::unique_ptr<Arena> make_slot(const std::string& name);
  void fill_master(Arena& master) const;
  void allocate();
  void write_segments();
  void write_scalars();
  void keep_loss_scale();
  LossScale* loss_scale_on_device() const;
  void measure_gradients(const Tensor& count);
  Range range_at(std::size_t index) const;
  Tensor gradients_of(std::size_t index) const;

  Common common_;
  Sharding sharding_;                               // ranges: the whole layout where not sharded
  std::shared_ptr<const ArenaLayout> slot_layout_;  // an entry a range where sharded
  bool sharded_ = false;
  std::function<void()> before_step_;
  double learning_rate_;
  int64_t steps_taken_ = 0;
  Device device_;  // of what is allocated
  DType dtype_ = DType::float32;
  bool allocated_ = false;
  std::vector<std::pair<std::string, std::unique_ptr<Arena>>> slots_;
  Tensor loss_scale_;  // a LossScale, where the loss is scaled
  Tensor segments_, scalars_, partial_sums_, sum_of_squares_, one_;
  Tensor squares_;                           // (ranges) float64: each range's sum of squares
  std::vector<int64_t> first_segment_ = {};  // (ranges + 1)
};

}  // namespace ripieno::optim
