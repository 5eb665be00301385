// RunMetrics: measures the steps of a run, and writes metrics.jsonl and the progress line.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/io/data/loader.h"
#include "ripieno/io/run/metrics.h"
#include "ripieno/io/run/progress.h"
#include "ripieno/training/run/late_metrics.h"
#include "ripieno/training/run/loss_outliers.h"
#include "ripieno/training/run/run_log.h"
#include "ripieno/training/run/run_options.h"
#include "ripieno/training/run/step_clock.h"
#include "ripieno/training/session/session.h"
#include "ripieno/training/watch/rank_times.h"

namespace ripieno {

class RunMetrics {
 public:
  // All arguments must outlive this object.
  RunMetrics(Session& session, const optim::Optimizer& optimizer, const io::Loader& loader,
             const RunOptions& options, RunLog& log);

  // Charges the time since the last call of any of these to `phase`, or to none.
  void charge(StepClock::Phase phase) { clock_.charge(phase); }
  void skip_time() { clock_.skip(); }
  // The seconds of each phase since the last call.
  std::array<double, StepClock::phases> take_seconds() { return clock_.take_totals(); }
  // What the lines of later steps say about the slowest rank.
  void note_slowest(const watch::RankTimes::Slowest& slowest) { slowest_ = slowest; }
  // The step has been computed; it waited that long for a save.
  void charge_step(double seconds_waited);

  // Adds the loss of a micro-batch of the current step, unless there is a RunOptions::parallel,
  // which has it. Throws an Error that names the operation if the loss is not two numbers.
  void add(const char* operation, const Loss& loss, int64_t step);
  // Ends the step. `samples`: the number of samples of the run so far, over all ranks. `extra`:
  // metrics of the program for the line of this step. Throws Error if one has a reserved name.
  void end_step(int64_t step, int64_t samples, const std::vector<io::Metric>& extra);
  void note_validation(const io::StepMetrics& metrics);
  // Waits for the values of all steps.
  void catch_up();

  // The first bad step among those whose values have arrived, unless it was skipped.
  struct Fault {
    int64_t step = 0;
    std::string what;  // "the loss is not finite"
  };
  const std::optional<Fault>& fault() const { return fault_; }
  // The number of bad steps that were skipped instead (SafetyOptions).
  int64_t skipped() const { return skipped_; }
  // The number of documents and samples that were left out, by the last line of metrics.
  int64_t skipped_data() const { return skipped_data_; }
  // What the lines of later steps have as io::metric::kRollbacks, unless it is 0.
  void note_rollbacks(int64_t count) { rollbacks_ = count; }

 private:
  bool is_logged(int64_t step) const;
  bool is_examined(int64_t step) const;
  Loss loss_of_step();
  io::StepMetrics line_of(int64_t step, int64_t samples, const std::vector<io::Metric>& extra);
  void take(const LateMetrics::Arrived& step);
  void examine(const LateMetrics::Arrived& step);
  void examine_loss(const LateMetrics::Arrived& step);
  void note_skipped(int64_t step, const std::string& what);
  void add_skipped_data(io::StepMetrics& line);
  void charge_waiting();
  bool knows_phases();
  void show(const io::StepMetrics& metrics);

  Session& session_;
  const optim::Optimizer& optimizer_;
  const io::Loader& loader_;
  const RunOptions& options_;
  RunLog& log_;
  StepClock clock_;
  std::optional<watch::RankTimes::Slowest> slowest_;
  int64_t replayed_steps_ = 0;  // of options_.parallel, until the last line
  std::vector<Loss> losses_;    // of the micro-batches of this step
  io::TimeLeft time_left_;
  io::ProgressState shown_;
  std::optional<Fault> fault_;
  LossOutliers loss_outliers_;
  int64_t skipped_ = 0, skipped_in_a_row_ = 0;
  int64_t rollbacks_ = 0;
  int64_t skipped_data_ = 0;
  LateMetrics late_;
};

}  // namespace ripieno
