// Run: one training run in its run directory, from wherever it stood; the loop of a training
// program.
//
//   Run run("runs/small", session, model, optimizer, loader, {.steps = 2000});
//   while (auto batch = run.next()) {
//     … a step …
//     run.log(loss);
//   }
//   return run.exit_status();
//
// It continues from the newest intact checkpoint, hands out batches, keeps the schedule, writes
// metrics, validates, saves, and stops where a signal asks for it. Every rank has one; the calls
// are collectives.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/core/optim/schedule.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/io/data/loader.h"
#include "ripieno/io/run/progress.h"
#include "ripieno/io/run/run_directory.h"
#include "ripieno/training/run/device_batches.h"
#include "ripieno/training/run/initial_parameters.h"
#include "ripieno/training/run/late_metrics.h"
#include "ripieno/training/run/run_checkpoints.h"
#include "ripieno/training/run/run_log.h"
#include "ripieno/training/run/run_saves.h"
#include "ripieno/training/run/step_clock.h"
#include "ripieno/training/run/training_state.h"
#include "ripieno/training/run/validation_sums.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/session.h"
#include "ripieno/training/settings/settings.h"

namespace ripieno {

struct RunOptions {
  int64_t steps = 1000;  // the step to stop after
  // Of the learning rate; without one the optimizer's stays.
  std::optional<optim::Schedule> schedule = {};
  // Steps; without a number as often as is worth its cost. One is saved at the end as well.
  std::optional<int64_t> checkpoint_every = {};
  double failures_per_day = 0;  // of the whole job; of use where checkpoint_every has no number
  // With keep.best the best so far is saved whenever it is met.
  io::Retention keep = {};
  bool stop_on_failed_save = false;   // else the run goes on, and tries again
  int64_t evaluate_every = 0;         // steps; 0: at the end only
  int64_t evaluation_batch_size = 0;  // of all ranks together; 0: as in training
  int64_t log_every = 1;              // steps between lines of metrics.jsonl
  int64_t check_every = 100;          // steps; 0: whether all ranks hold the same is not looked at
  std::string resume = "auto";        // "auto", "never", or the path of a checkpoint
  InitialParameters initial = {};     // of a new run; one that is resumed ignores it
  // Whose losses are logged, whose times tell the metrics how long the phases of a step took, and
  // which makes the ranks alike before they are validated or saved: to be given where they may
  // differ between steps.
  distributed::DataParallel* parallel = nullptr;
  const Settings* settings = nullptr;  // recorded in run.json and in the checkpoints
  std::FILE* progress = nullptr;       // where progress is shown, and
  std::FILE* messages = nullptr;       // what goes wrong is said, by rank 0
};

class Run {
 public:
  // All but the directory outlive the run. Throws ConfigurationError where the directory cannot be
  // used or a checkpoint is of another model, DataError where checkpoints are damaged.
  Run(const std::string& directory, Session& session, nn::Module& model,
      optim::Optimizer& optimizer, io::Loader& loader, const RunOptions& options = {});
  ~Run();

  // How what the loader holds out is measured: on each batch, on the session's device, without
  // gradients and with the model evaluating.
  void validate_with(std::function<Measured(const io::Batch&)> measure);
  // Adds a member to what every checkpoint's training state holds.
  void keep_in_checkpoints(const std::string& name, const nlohmann::json& value);

  // The next step's batch on the session's device; nothing once the run is over, finished or
  // stopped.
  std::optional<io::Batch> next();
  // Ends the step, whose loss is that of RunOptions::parallel.
  void log();
  // Without it: one of several micro-batches of the step,
  void add(const Loss& loss);
  // and the last of them on this rank, or the only one, which ends the step.
  void log(const Loss& loss);

  // Steps done.
  int64_t step() const { return step_; }
  // 0, or 75 where the run was stopped and the same command continues it.
  int exit_status() const { return static_cast<int>(status_); }

 private:
  void resume();
  std::vector<std::string> load(const io::Checkpoint& checkpoint, const io::LoadOptions& options);
  void open_log(const std::string& resumed_from);
  bool is_due(int64_t every) const { return every > 0 && step_ % every == 0; }
  bool is_logged(int64_t step) const;
  void end_step();
  Loss loss_of_step();
  // What rank 0 decides after a step.
  enum Decision : int64_t { go_on, save, give_up };
  Decision decide();
  void synchronize();
  bool validates() const { return held_out_ != nullptr && measure_ != nullptr; }
  bool validate();
  void note_validation(const io::StepMetrics& metrics);
  void charge_phases();
  void charge_waiting();
  void catch_up();
  void log_step();
  void write(const io::StepMetrics& line);
  io::ProgressState progress();
  nlohmann::json training_state() const;
  void compare_ranks();
  void begin_save();
  void save_at_end();
  void end(ExitStatus status);
  void write_report();
  std::string closing_words(bool was_over) const;

  Session& session_;
  nn::Module& model_;
  optim::Optimizer& optimizer_;
  io::Loader& loader_;
  DeviceBatches batches_;
  RunOptions options_;
  io::RunPaths paths_;
  std::unique_ptr<io::RunDirectory> directory_;  // rank 0
  RunCheckpoints checkpoints_;
  std::unique_ptr<RunSaves> saves_;
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<io::EvaluationSet> held_out_;
  std::function<Measured(const io::Batch&)> measure_;
  std::unique_ptr<nlohmann::json> kept_;

  int64_t step_ = 0;
  int64_t compared_step_ = -1;                // that all ranks are known to agree on
  int64_t resumed_step_ = -1;                 // of the checkpoint that it continued from
  std::optional<io::StepMetrics> validated_;  // the newest validation
  std::optional<double> best_;                // of options_.keep.metric
  bool is_best_ = false;                      // of the step that is done
  std::string failed_save_;
  std::string told_;  // of how it saves
  bool evaluation_pending_ = false;
  bool rows_checked_ = false;  // of the first batch: that the ranks share it
  bool over_ = false;
  ExitStatus status_ = ExitStatus::finished;

  std::vector<Loss> losses_;  // of this step's micro-batches
  StepClock clock_;
  distributed::ParallelSeconds charged_;  // of options_.parallel
  io::TimeLeft time_left_;
  io::ProgressState shown_;
  LateMetrics late_metrics_;
};

}  // namespace ripieno
