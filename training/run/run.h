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
// metrics, validates, saves, and stops where a signal asks for it. A program that leaves the loop
// early ends the run: finish(), which the destructor calls otherwise, saves and writes the report.
// Every rank has one; the calls are collectives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/io/data/loader.h"
#include "ripieno/io/run/metrics.h"
#include "ripieno/io/run/run_directory.h"
#include "ripieno/training/run/run_log.h"
#include "ripieno/training/run/run_metrics.h"
#include "ripieno/training/run/run_options.h"
#include "ripieno/training/run/run_saves.h"
#include "ripieno/training/run/run_state.h"
#include "ripieno/training/run/validation.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

class Run {
 public:
  // All but the directory outlive the run. Throws ConfigurationError where the directory cannot be
  // used, the options contradict each other or a checkpoint is of another model, DataError where
  // checkpoints are damaged.
  Run(const std::string& directory, Session& session, nn::Module& model,
      optim::Optimizer& optimizer, io::Loader& loader, const RunOptions& options = {});
  // finish(), where the loop was left before the run was over and not by an exception. It throws
  // what finish() throws.
  ~Run() noexcept(false);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // How what the loader holds out is measured: on each batch, on the session's device, without
  // gradients and with the model evaluating.
  void validate_with(std::function<Measured(const io::Batch&)> measure);
  // Adds a member to what every checkpoint's training state holds.
  void keep_in_checkpoints(const std::string& name, const nlohmann::json& value);
  // The same for what gives the parameters their meaning and no shape shows: a tokenizer. Throws
  // ConfigurationError where the checkpoint that the run continues from has another one, or that
  // of RunOptions::initial, unless its allow_differences.
  void keep_and_compare(const std::string& name, const nlohmann::json& value);

  // The next step's batch on the session's device; nothing once the run is over, finished or
  // stopped. Throws Error where the step before it was not ended by log().
  std::optional<io::Batch> next();
  // Ends the step, whose loss is that of RunOptions::parallel. `own`: further metrics, which go
  // where the loss goes: run.log({{"kl", kl}}). Those of rank 0 count.
  void log(const std::vector<io::Metric>& own = {});
  // Without RunOptions::parallel: one of several micro-batches of the step,
  void add(const Loss& loss);
  // and the last of them on this rank, or the only one, which ends the step.
  void log(const Loss& loss, const std::vector<io::Metric>& own = {});

  // Ends the run after the step that was logged last, though others were to follow: validates if
  // this step was not, saves, and writes the report. The run stays finished: when it is started
  // again, next() has nothing, unless RunOptions::steps is larger by then.
  void finish();

  // Steps done.
  int64_t step() const { return state_.step(); }
  // The newest validation, for example to stop early: the same on every rank. Nothing before the
  // first.
  const std::optional<io::StepMetrics>& validated() const { return state_.validated(); }
  // 0, or 75 where the run was stopped and the same command continues it. A run whose loss,
  // gradient or parameters are not finite ends by RankFailure with ExitStatus::diverged (79).
  int exit_status() const { return static_cast<int>(status_); }

 private:
  void resume(nn::Module& model, optim::Optimizer& optimizer, io::Loader& loader);
  void open_log(const std::string& resumed_from, io::Loader& loader);
  void announce();
  void end_step(const std::vector<io::Metric>& own);
  // What rank 0 decides after a step.
  enum Decision : int64_t { go_on, save, give_up, diverged };
  Decision decide(std::string& failed_save);
  void synchronize();
  bool validate();
  void catch_up();
  void require_finite_state();
  [[noreturn]] void end_diverged(int64_t step, const std::string& what);
  void compare_ranks();
  void begin_save();
  void save_at_end();
  void end(ExitStatus status);
  void write_report();
  std::string closing_words(bool was_over) const;

  Session& session_;
  const RunOptions options_;
  const io::RunPaths paths_;
  const int exceptions_;                         // under way when this was made
  std::unique_ptr<io::RunDirectory> directory_;  // rank 0
  RunState state_;
  Validation validation_;
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<RunMetrics> metrics_;
  std::unique_ptr<RunSaves> saves_;  // last, so that it ends before what a save uses
  bool step_is_open_ = false;
  bool has_trained_ = false;  // a step
  bool over_ = false;
  ExitStatus status_ = ExitStatus::finished;
};

}  // namespace ripieno
