// Optimizer: turns a model's gradients into a step of its parameters, over whole arenas at once.
//
// Its state lies in arenas of the parameters' layout, and appears with the first step or with
// state().
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/parameters.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::optim {

// What all optimizers take.
struct Common {
  double learning_rate = 1e-3;
  double weight_decay = 0.0;
  // Which parameters decay; those with two axes or more (matrices) where not given.
  std::function<bool(const ArenaLayout::Entry&)> decays = {};
  double max_gradient_norm = 0.0;  // the global norm is clipped to it; 0: no clipping
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One step along the gradients divided by `count` (a scalar on the parameters' device: a loss's
  // count, summed over micro-batches and ranks; 1 where not given), then clipped. Clears the
  // gradients. A count of 0 makes the gradient zero.
  void step(const Tensor& count = {});

  // Called at the start of each step(), before anything is changed: by whoever still reads the
  // parameters or the state.
  void before_step(std::function<void()> action) { before_step_ = std::move(action); }

  double learning_rate() const { return learning_rate_; }
  void set_learning_rate(double learning_rate) { learning_rate_ = learning_rate; }

  // Of the last step, before clipping: waits for the device.
  double gradient_norm() const;

  int64_t steps_taken() const { return steps_taken_; }
  void set_steps_taken(int64_t steps) { steps_taken_ = steps; }

  const Parameters& parameters() const { return parameters_; }

  // The arenas that a checkpoint has to hold besides the parameters.
  struct Slot {
    std::string name;  // "first_moment", …
    Arena* arena;
  };
  std::vector<Slot> state();
  // Adds an arena of float32 to the state, for whoever steps beside this optimizer; where it is
  // there already, it is that one.
  Arena& keep(const std::string& name) { return slot(name); }

 protected:
  Optimizer(Parameters parameters, Common common);

  // A further arena of float32 where the parameters live. Call from prepare().
  Arena& slot(const std::string& name);
  bool keeps_master() const;
  Arena& master() { return slot("master"); }

  // Asks for the slots; then one launch over everything.
  virtual void prepare() = 0;
  virtual void update(const kernels::DecaySegment* segments, int64_t segment_count,
                      const kernels::StepScalars* scalars) = 0;
  // 1 / (1 - beta^step) of the two moments; 1 where there are none.
  virtual void corrections(int64_t step, kernels::StepScalars& scalars) const;

  Parameters parameters_;

 private:
  void allocate();
  void write_scalars();
  void measure_gradients(const Tensor& count);

  Common common_;
  std::function<void()> before_step_;
  double learning_rate_;
  int64_t steps_taken_ = 0;
  Device device_;  // of what is allocated
  DType dtype_ = DType::float32;
  bool allocated_ = false;
  std::vector<std::pair<std::string, std::unique_ptr<Arena>>> slots_;
  Tensor segments_, scalars_, partial_sums_, sum_of_squares_, one_;
};

}  // namespace ripieno::optim
