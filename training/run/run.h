// Run: a training run with its run directory; the training loop of a program.
//
//   Run run("runs/small", session, model, optimizer, loader, {.steps = 2000});
//   while (auto batch = run.next()) {
//     … one step …
//     run.log(loss);
//   }
//   return run.exit_status();
//
// It resumes from the newest intact checkpoint, provides batches, sets the learning rate, writes
// metrics, validates, saves checkpoints, and stops after a signal. A program that leaves the loop
// early ends the run: finish(), which the destructor calls if necessary, saves and writes the
// report. Every rank has one; all calls are collectives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/io/data/loader.h"
#include "ripieno/io/files/json.h"
#include "ripieno/io/run/metrics.h"
#include "ripieno/io/run/run_directory.h"
#include "ripieno/training/metrics/metrics_exporter.h"
#include "ripieno/training/profile/profile.h"
#include "ripieno/training/run/run_log.h"
#include "ripieno/training/run/run_metrics.h"
#include "ripieno/training/run/run_options.h"
#include "ripieno/training/run/run_saves.h"
#include "ripieno/training/run/run_state.h"
#include "ripieno/training/run/run_times.h"
#include "ripieno/training/run/run_watch.h"
#include "ripieno/training/run/validation.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

class Run {
 public:
  // The objects passed by reference must outlive the run. Throws ConfigurationError if the
  // directory cannot be used, the options contradict each other or the checkpoint is of another
  // model, DataError if all checkpoints are damaged, StorageError if a checkpoint could not be
  // saved.
  Run(const std::string& directory, Session& session, nn::Module& model,
      optim::Optimizer& optimizer, io::Loader& loader, const RunOptions& options = {});
  // Calls finish(), and throws what it throws, if the loop was left early and not by an exception.
  ~Run() noexcept(false);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // Sets the function that measures a batch of the held-out data. It is called with batches on the
  // session's device, without gradients, and with the model in evaluation mode.
  void validate_with(std::function<Measured(const io::Batch&)> measure);
  // Sets what is done after each validation, with its metrics, for example to write a sample of the
  // model's output or to stop early by finish(). It is called on every rank, without gradients, and
  // with the model in training mode.
  void after_validation(std::function<void(const io::StepMetrics&)> action);
  // Adds a member to the training state of each checkpoint, or replaces it. Throws Error if the run
  // itself has a member with this name.
  void keep_in_checkpoints(const std::string& name, const nlohmann::json& value);
  // The value that is kept under this name: the one given last, or that of the checkpoint from
  // which the run resumed, which is kept on. Null if there is none.
  nlohmann::json kept(const std::string& name) const;
  // The same for a value without which the parameters are meaningless, such as a tokenizer. Throws
  // ConfigurationError if the checkpoint from which the run resumes has another value, or that of
  // RunOptions::initial, unless allow_differences is set there.
  void keep_and_compare(const std::string& name, const nlohmann::json& value);

  // The batch of the next step, on the session's device; empty once the run is finished or stopped.
  // Throws Error if the previous step was not ended by log(), as log() and add() do if no step was
  // begun by next().
  std::optional<io::Batch> next();
  // Ends the step, with the loss that RunOptions::parallel has. `extra`: further metrics of the
  // step, written to metrics.jsonl with the loss: run.log({{"kl", kl}}). Those of rank 0 are used.
  void log(const std::vector<io::Metric>& extra = {});
  // Without RunOptions::parallel: adds the loss of one of several micro-batches of the step.
  void add(const Loss& loss);
  // The same for the last or only micro-batch of the step on this rank, and ends the step.
  void log(const Loss& loss, const std::vector<io::Metric>& extra = {});

  // Ends the run early: validates if the last step was not yet, saves, and writes the report. The
  // last step is the one that was logged last; a step that was not logged counts if its optimizer
  // step was taken, and is repeated otherwise if the run continues. The run stays finished: when it
  // is started again, next() returns nothing unless RunOptions::steps is larger than it was.
  void finish();

  // The number of steps that are done.
  int64_t step() const { return state_.step(); }
  // The newest validation, for example to stop early; the same on all ranks. Empty before the
  // first.
  const std::optional<io::StepMetrics>& validated() const { return state_.validated(); }
  // 0, or 75 if the run was stopped and the same command continues it. A run whose loss, gradient
  // or parameters are not finite throws RankFailure with ExitStatus::diverged (79), unless
  // RunOptions::safety skips the step or rolls back; then step() becomes smaller in log().
  int exit_status() const { return static_cast<int>(status_); }

 private:
  void require_safety() const;
  void resume(nn::Module& model);
  void begin_record(const std::string& resumed_from);
  void open_log();
  void start_output();
  void announce();
  RunSavesOptions saves_options();
  ProfileOptions profile_options();
  io::Batch read_batch();
  void require_open_step(const char* call) const;
  void end_step(const std::vector<io::Metric>& extra);
  bool is_stepped() const;
  void leave_open_step();
  // The decision of rank 0 after a step.
  enum Decision : int64_t { proceed, save, give_up, diverged };
  Decision decide(std::string& failed_save);
  void note_times();
  void export_step(const RunWatch::Seconds& seconds);
  void synchronize();
  bool validate();
  std::optional<io::StepMetrics> measure_held_out();
  void exchange_average();
  void stop_early();
  void catch_up();
  void require_finite_state();
  bool rolls_back();
  void roll_back(const RunMetrics::Fault& fault);
  std::string load_newest();
  [[noreturn]] void end_diverged(int64_t step, const std::string& what);
  [[noreturn]] void end_diverged(int64_t step, const std::string& what,
                                 std::optional<int64_t> sample);
  void compare_ranks();
  void begin_save();
  void save_at_end();
  nlohmann::json progress() const;
  std::function<void()> noting_progress(std::function<void()> before) const;
  void end(ExitStatus status);
  void finish_metrics();
  void write_report();
  std::string closing_message(bool was_over) const;

  Session& session_;
  optim::Optimizer& optimizer_;
  io::Loader& loader_;
  const RunOptions options_;
  const io::RunPaths paths_;
  const int exceptions_;                         // uncaught exceptions at construction
  std::unique_ptr<io::RunDirectory> directory_;  // rank 0
  RunTimes times_;
  std::unique_ptr<RunWatch> watch_;
  Profile profile_;
  RunState state_;
  Validation validation_;
  std::unique_ptr<MetricsExporter> exporter_;  // rank 0
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<RunMetrics> metrics_;
  std::unique_ptr<RunSaves> saves_;  // last: destroyed before what a save uses
  std::function<void(const io::StepMetrics&)> after_validation_;
  bool stopped_early_ = false;     // by early stopping, in this start
  int64_t started_step_ = 0;       // after which this start began
  int64_t rolled_back_step_ = -1;  // to which the last rollback went
  int64_t rollbacks_to_step_ = 0;  // to that step, in a row
  bool step_is_open_ = false;
  bool has_trained_ = false;  // at least one step
  bool over_ = false;
  ExitStatus status_ = ExitStatus::finished;
};

}  // namespace ripieno
