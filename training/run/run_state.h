// RunState: how far a run has come, and what its checkpoints hold of it.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/run/metrics.h"
#include "ripieno/training/run/device_batches.h"
#include "ripieno/training/run/run_options.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

class RunState {
 public:
  // All outlive this.
  RunState(Session& session, nn::Module& model, optim::Optimizer& optimizer, io::Loader& loader,
           const RunOptions& options);
  ~RunState();

  int64_t step() const { return step_; }  // steps done
  int64_t samples() const { return batches_.position(); }
  bool is_last() const { return step_ >= options_.steps; }
  // Whether nothing was trained since the checkpoint that the run continued from.
  bool is_as_resumed() const { return step_ == resumed_step_; }
  // Whether the program ended the run before its last step.
  bool is_finished() const { return finished_steps_ >= options_.steps; }
  void finish() { finished_steps_ = options_.steps; }

  // The batch of the next step, whose number and learning rate are set.
  io::Batch begin_step();
  void end_step();

  // The newest validation, the same on every rank.
  const std::optional<io::StepMetrics>& validated() const { return validated_; }
  void note_validation(const io::StepMetrics& metrics);
  // Whether the step that is done has the best validation so far, which is then to be saved.
  bool is_best() const { return is_best_; }
  // The validation that is due after this step is not done.
  bool evaluation_is_pending = false;

  // Adds a member to the training state.
  void keep(const std::string& name, const nlohmann::json& value);
  // The same for what gives the parameters their meaning. Throws ConfigurationError where the
  // checkpoint that they are from has another one.
  void keep_and_compare(const std::string& name, const nlohmann::json& value);
  // A checkpoint that the parameters are from: its path and training state.
  void set_origin(const std::string& path, const nlohmann::json& training_state);
  io::State tensors();
  nlohmann::json training_state() const;
  // What is not as it was when the checkpoint was saved, but does not keep it from being used, a
  // line each.
  std::vector<std::string> load(const io::Checkpoint& checkpoint, const io::LoadOptions& options);

  // What has a value that is not finite, a parameter or this rank's optimizer state: "the parameter
  // blocks.0.norm.weight"; empty where there is nothing.
  std::string not_finite() const;
  // Which sample had inputs that were not finite in that step, counted from 0 over the run; nothing
  // where all were. Reads the step's batch again, so that no further step can follow. A collective.
  std::optional<int64_t> sample_not_finite(int64_t step);
  bool scales_loss() const { return optimizer_.scales_loss(); }

  // Throws RankFailure on every rank where they do not hold the same numbers (same_numbers.h), if
  // they can be compared and this step's are not yet. A collective.
  void compare_ranks();
  bool is_compared() const { return is_due(options_.check_every); }
  bool is_due(int64_t every) const { return every > 0 && step_ % every == 0; }

 private:
  std::string remedy() const;
  std::vector<std::string> differences(const io::Checkpoint& checkpoint, uint64_t seed) const;

  Session& session_;
  nn::Module& model_;
  optim::Optimizer& optimizer_;
  io::Loader& loader_;
  const RunOptions& options_;
  DeviceBatches batches_;
  int64_t step_ = 0;
  int64_t resumed_step_ = -1;    // of the checkpoint that the run continued from
  int64_t compared_step_ = -1;   // that all ranks are known to agree on
  int64_t finished_steps_ = -1;  // RunOptions::steps of the run that was finished before them
  std::optional<io::StepMetrics> validated_;
  std::optional<double> best_;  // of options_.keep.metric
  bool is_best_ = false;
  bool rows_are_checked_ = false;  // of the first batch: that the ranks share it
  std::unique_ptr<nlohmann::json> kept_;
  std::string origin_;  // the checkpoint whose meaning counts; empty: none
  std::unique_ptr<nlohmann::json> origin_state_;
};

}  // namespace ripieno
