#include "ripieno/training/run/run_options.h"

#include <fmt/format.h>

#include <cmath>

#include "ripieno/core/error.h"
#include "ripieno/training/settings/command_line.h"

namespace ripieno {
namespace {

void require_count(const char* name, int64_t value, int64_t least, const char* otherwise = "") {
  if (value >= least && value <= kMostSteps) return;
  const bool is_small = value < least;
  throw ConfigurationError(fmt::format("run: {} is {}; it must be at {} {}{}", name, value,
                                       is_small ? "least" : "most", is_small ? least : kMostSteps,
                                       otherwise));
}

void require_not_negative(const char* name, double value) {
  if (std::isfinite(value) && value >= 0) return;
  throw ConfigurationError(
      fmt::format("run: {} is {}; it must be at least 0 and finite", name, value));
}

// Both depend on the validation loss during the run.
void require_validations(const RunOptions& options) {
  using Kind = optim::Schedule::Kind;
  const bool has_plateau = options.schedule && options.schedule->kind == Kind::reduce_on_plateau;
  if (options.evaluate_every > 0 || (!has_plateau && options.early_stopping.patience == 0)) return;
  throw ConfigurationError(fmt::format(
      "run: {} requires validations, but evaluate_every is 0; set it to a number of steps",
      has_plateau ? "schedule.kind=reduce_on_plateau"
                  : fmt::format("early_stopping.patience={}", options.early_stopping.patience)));
}

}  // namespace

optim::PlateauOptions plateau_of(const RunOptions& options) {
  optim::PlateauOptions plateau = options.plateau;
  if (options.schedule) plateau.factor = options.schedule->factor;
  return plateau;
}

void check(const RunOptions& options) {
  require_count("steps", options.steps, 0);
  require_count("checkpoint_every", options.checkpoint_every.value_or(1), 1,
                ", or empty for an interval that depends on the cost of saving");
  require_not_negative("failures_per_day", options.failures_per_day);
  require_not_negative("watch.limit_seconds", options.watch.limit_seconds);
  require_not_negative("safety.outlier_factor", options.safety.outlier_factor);
  if (options.safety.outlier_factor > 0 && options.safety.outlier_factor <= 1)
    throw ConfigurationError(
        fmt::format("run: safety.outlier_factor is {}; it must be greater than 1, or 0 to disable "
                    "the detection of outliers",
                    options.safety.outlier_factor));
  require_not_negative("safety.loss_outlier_factor", options.safety.loss_outlier_factor);
  if (options.safety.loss_outlier_factor > 0 &&
      options.safety.on_bad_step == SafetyOptions::OnBadStep::skip)
    throw ConfigurationError(
        "run: safety.loss_outlier_factor cannot be combined with safety.on_bad_step=skip, since "
        "the loss of a step is known after the step; use rollback or stop");
  require_count("safety.max_rollbacks", options.safety.max_rollbacks, 1);
  require_count("keep.newest", options.keep.newest, 0, "; 0 keeps all");
  require_count("keep.every", options.keep.every, 0);
  require_count("keep.best", options.keep.best, 0);
  require_count("evaluate_every", options.evaluate_every, 0, "; 0: only at the end");
  require_count("evaluation_batch_size", options.evaluation_batch_size, 0, "; 0: as in training");
  require_count("log_every", options.log_every, 1);
  require_count("metrics.histograms_every", options.metrics.histograms_every, 0, "; 0: none");
  check(options.metrics);
  require_count("check_every", options.check_every, 0, "; 0 disables the comparisons");
  if (options.keep.metric.empty())
    throw ConfigurationError("run: keep.metric is empty; it must name a metric of the validation");
  if (options.resume.empty())
    throw ConfigurationError(
        "run: resume is empty; it must be \"auto\", \"never\" or the path of a checkpoint");
  require_count("early_stopping.patience", options.early_stopping.patience, 0,
                "; 0 disables early stopping");
  require_not_negative("early_stopping.threshold", options.early_stopping.threshold);
  require_validations(options);
  if (!options.schedule) return;
  optim::check(*options.schedule);
  if (options.schedule->kind == optim::Schedule::Kind::reduce_on_plateau)
    optim::check(plateau_of(options));
}

}  // namespace ripieno
