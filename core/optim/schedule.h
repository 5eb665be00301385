// Schedule: the learning rate as a pure function of the step, and Plateau, which makes it depend on
// the validation loss too.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace ripieno::optim {

// All kinds but chain and one_cycle start with linear warmup from 0 to `peak` over `warmup_steps`
// steps.
struct Schedule {
  enum class Kind {
    constant,  // stays at `peak`
    linear,    // decays linearly to `final` at step `steps`
    cosine,    // decays along a half cosine to `final` at `steps` (Loshchilov and Hutter, 2017)
    warmup_stable_decay,  // stays at `peak`, then decays linearly to `final` over the last
                          // `decay_steps` steps
    step,         // is multiplied by `factor` after each `interval` steps that follow the warmup
    multi_step,   // is multiplied by `factor` after each of the steps in `milestones`
    exponential,  // is multiplied by `factor` after each step that follows the warmup
    polynomial,   // final + (peak - final) (1 - progress)^power, until `steps`
    inverse_square_root,  // peak sqrt(warmup_steps / step) (Vaswani et al., 2017)
    one_cycle,  // from `initial` along half cosines to `peak` at `warmup_steps` and to `final` at
                // `steps` (Smith and Topin, 2019)
    reduce_on_plateau,  // stays at `peak`, which a Run multiplies by Plateau::scale()
    chain               // `parts`, one after another
  };

  Kind kind = Kind::constant;
  std::optional<double> peak = {};  // empty: a Run takes the optimizer's learning rate
  double final = 0.0;               // step, multi_step, exponential, reduce_on_plateau: the least
  int64_t warmup_steps = 0;
  int64_t steps = 0;        // length of the whole schedule
  int64_t decay_steps = 0;  // for warmup_stable_decay
  double factor = 0.1;
  int64_t interval = 0;                  // for step
  std::vector<int64_t> milestones = {};  // for multi_step, ascending
  double power = 1.0;                    // for polynomial
  double initial = 0.0;                  // for one_cycle
  // For chain: each has `steps` steps, and starts where the one before it ended unless it has a
  // peak of its own. The first without a peak has that of the chain. The last may be of a kind that
  // does not end.
  std::vector<Schedule> parts = {};

  // The learning rate of step `step`, counted from 1; `final` after `steps`, except for kinds that
  // do not end. Throws ConfigurationError if there is no peak, and what check() throws.
  double at(int64_t step) const;
};

// Throws ConfigurationError if a number is out of its range, or if a kind that ends has no steps.
// Warmup and decay may be longer than `steps`, as in a short trial of a long run.
void check(const Schedule& schedule);
// Whether the kind reaches `final` at step `steps`.
bool ends(Schedule::Kind kind);

struct PlateauOptions {
  double factor = 0.1;      // of each reduction
  int64_t patience = 10;    // losses without improvement after which the next one reduces the rate
  double threshold = 1e-4;  // an improvement is at least this share of the best loss
  int64_t cooldown = 0;     // losses after a reduction that do not count
};

// Throws ConfigurationError if a number is out of its range.
void check(const PlateauOptions& options);

// A factor on the learning rate that is reduced when the loss stops improving.
class Plateau {
 public:
  // Throws what check() throws.
  explicit Plateau(const PlateauOptions& options);

  // All that has to be saved.
  struct State {
    double scale = 1.0;
    std::optional<double> best = {};
    int64_t without_improvement = 0, cooling = 0;
  };
  void note(double loss);
  double scale() const { return state_.scale; }
  const State& state() const { return state_; }
  void set_state(const State& state) { state_ = state; }

 private:
  PlateauOptions options_;
  State state_;
};

// Ends a run whose loss stopped improving.
struct Patience {
  int64_t losses = 0;      // without improvement, after which is_exhausted(); 0: never
  double threshold = 0.0;  // an improvement is more than this share of the best loss
  std::optional<double> best = {};
  int64_t without_improvement = 0;

  void note(double loss);
  bool is_exhausted() const { return losses > 0 && without_improvement >= losses; }
};

}  // namespace ripieno::optim
