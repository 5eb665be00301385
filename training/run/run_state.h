// RunState: the progress of a run (step, position in the data, validation) and the content of its
// checkpoints.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/files/json.h"
#include "ripieno/io/run/metrics.h"
#include "ripieno/training/run/device_batches.h"
#include "ripieno/training/run/run_options.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

class RunState {
 public:
  // All arguments must outlive this object.
  RunState(Session& session, nn::Module& model, optim::Optimizer& optimizer, io::Loader& loader,
           const RunOptions& options);
  ~RunState();

  int64_t step() const { return step_; }  // number of steps done
  int64_t samples() const { return batches_.position(); }
  // Of samples, counted from 0 over the run; `end` is not one of them.
  struct SampleRange {
    int64_t begin = 0, end = 0;
  };
  // The rollbacks of the run to an earlier checkpoint, and the batches that it leaves out since.
  struct Rollbacks {
    int64_t count = 0;
    std::vector<SampleRange> left_out = {};  // sorted
  };
  const Rollbacks& rollbacks() const { return rollbacks_; }
  // Replaces those that load() read from a checkpoint, after which others may have happened.
  void set_rollbacks(Rollbacks rollbacks);
  // The samples of the batch of `step`, which is one of the last of this start.
  SampleRange samples_of(int64_t step) const;
  bool is_last() const { return step_ >= options_.steps; }
  // Whether no step was taken since the checkpoint from which the run resumed.
  bool is_as_resumed() const { return step_ == resumed_step_; }
  // Whether the program ended the run before its last step, by Run::finish().
  bool is_finished() const { return finished_steps_ >= options_.steps; }
  void finish() { finished_steps_ = options_.steps; }

  // The batch of the next step, after those that are left out. Sets the learning rate and the step
  // of the random numbers.
  io::Batch begin_step();
  void end_step();
  // Instead of end_step(): as if the step had not begun, so that its batch is read again.
  void undo_begin_step();

  // The newest validation; the same on all ranks.
  const std::optional<io::StepMetrics>& validated() const { return validated_; }
  void note_validation(const io::StepMetrics& metrics);
  // Whether the last step has the best validation so far, so that it must be saved.
  bool is_best() const { return is_best_; }
  // Whether the validation loss has not improved for EarlyStopping::patience validations.
  bool is_out_of_patience() const { return patience_.is_exhausted(); }
  const optim::Patience& patience() const { return patience_; }
  // Whether a validation is due after the last step and not done yet.
  bool evaluation_is_pending = false;

  // Adds a member to the training state. Throws Error if it has one of its own with this name.
  void keep(const std::string& name, const nlohmann::json& value);
  // The value given to keep(), also before the run resumed; null if there is none.
  nlohmann::json kept(const std::string& name) const;
  // The same as keep() for a value without which the parameters are meaningless. Throws
  // ConfigurationError if the checkpoint from which they were loaded has another value.
  void keep_and_compare(const std::string& name, const nlohmann::json& value);
  // Sets the checkpoint from which the parameters are loaded. Throws ConfigurationError if its
  // model options differ from those of this run.
  void set_origin(const std::string& path, const nlohmann::json& training_state);
  io::State tensors();
  nlohmann::json training_state() const;
  // Loads a checkpoint. Returns what differs from when it was saved without making it unusable, a
  // message each. Throws DataError if it is damaged.
  std::vector<std::string> load(const io::Checkpoint& checkpoint, const io::LoadOptions& options);

  // The first parameter, or optimizer state of this rank, with a value that is not finite:
  // "parameter blocks.0.norm.weight"; empty if there is none.
  std::string not_finite() const;
  // The first sample of the batch of `step` with inputs that are not finite, counted from 0 over
  // the run; empty if there is none. Reads the batch again, after which no step can follow before
  // load(). A collective.
  std::optional<int64_t> sample_not_finite(int64_t step);
  bool scales_loss() const { return optimizer_.scales_loss(); }

  // Throws RankFailure on every rank if they do not hold the same values (same_numbers.h). Does
  // nothing if they cannot be compared now or were already compared after this step. A collective.
  void compare_ranks();
  bool is_compared() const { return is_due(options_.check_every); }
  bool is_due(int64_t every) const { return every > 0 && step_ % every == 0; }

 private:
  void seek_past_left_out();
  double scheduled_rate() const;
  std::string remedy() const;
  std::vector<std::string> differences(const io::Checkpoint& checkpoint, uint64_t seed) const;
  std::vector<distributed::Fact> causes_of_difference() const;

  Session& session_;
  nn::Module& model_;
  optim::Optimizer& optimizer_;
  io::Loader& loader_;
  const RunOptions& options_;
  DeviceBatches batches_;
  int64_t step_ = 0;
  int64_t samples_before_step_ = 0;
  Rollbacks rollbacks_;
  int64_t resumed_step_ = -1;   // of the checkpoint from which the run resumed
  int64_t compared_step_ = -1;  // the last step after which ranks were compared
  struct Rate {
    int64_t step;
    double value;
  };
  std::vector<Rate> rates_;  // learning rates of the steps since then
  int64_t finished_steps_ =
      -1;  // RunOptions::steps when the program finished the run early; -1: it did not
  std::optional<io::StepMetrics> validated_;
  std::optional<double> best_;  // of options_.keep.metric
  bool is_best_ = false;
  std::optional<optim::Plateau> plateau_;  // of a schedule that reduces the rate on a plateau
  optim::Patience patience_;
  bool rows_are_checked_ = false;  // whether the parts of the first batch are
  std::unique_ptr<nlohmann::json> kept_;
  std::string origin_;  // the checkpoint of set_origin(); empty: none
  std::unique_ptr<nlohmann::json> origin_state_;
};

}  // namespace ripieno
