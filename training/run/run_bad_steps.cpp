// What a Run does about values that are not finite and about outliers (SafetyOptions).
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/training/run/run.h"
#include "ripieno/training/run/run_checkpoints.h"

namespace ripieno {

// Otherwise ranks would decide on different gradients.
void Run::require_safety() const {
  if (!options_.safety.skips_steps()) return;
  const auto* parallel = options_.parallel;
  if (parallel && parallel->has_error_feedback())
    throw ConfigurationError(
        "run: parallel.power_sgd_rank cannot be combined with safety.on_bad_step other than stop, "
        "or with safety.outlier_factor, since its error feedback would keep a bad gradient");
  if (parallel && parallel->has_local_steps())
    throw ConfigurationError(
        "run: parallel.diloco_steps cannot be combined with safety.on_bad_step other than stop, or "
        "with safety.outlier_factor, since each rank has its own gradients");
  if (!parallel && session_.size() > 1)
    throw ConfigurationError(
        "run: safety.on_bad_step other than stop and safety.outlier_factor require "
        "RunOptions::parallel on several ranks");
}

// Whether a bad step was found, after which the run continues from an earlier one. Called like
// catch_up(); once it has returned false, catch_up() finds nothing.
bool Run::rolls_back() {
  if (options_.safety.on_bad_step != SafetyOptions::OnBadStep::rollback) return false;
  metrics_->catch_up();
  const auto fault = metrics_->fault();  // a copy, since the metrics are replaced
  if (fault) roll_back(*fault);
  return fault.has_value();
}

void Run::roll_back(const RunMetrics::Fault& fault) {
  const RunWatch::During loading(*watch_, Activity::load);
  const auto start = StepClock::Clock::now();
  saves_->wait_for_save();
  const auto left_out = state_.samples_of(fault.step);
  const auto sample = state_.sample_not_finite(fault.step);
  auto rollbacks = state_.rollbacks();
  ++rollbacks.count;
  rollbacks.left_out.push_back(left_out);
  if (options_.parallel) options_.parallel->synchronize_parameters();
  const std::string path = load_newest();
  if (path.empty()) {
    end_diverged(fault.step, fault.what + ", and there is no checkpoint to roll back to yet",
                 sample);
  }
  state_.set_rollbacks(std::move(rollbacks));
  rollbacks_to_step_ =
      std::exchange(rolled_back_step_, step()) == step() ? rollbacks_to_step_ + 1 : 1;
  if (rollbacks_to_step_ > options_.safety.max_rollbacks) {
    end_diverged(fault.step,
                 fmt::format("{}, after safety.max_rollbacks={} rollbacks to step {}", fault.what,
                             options_.safety.max_rollbacks, step()),
                 sample);
  }
  const std::string line = fmt::format(
      "step {}: {}{}; rolled back to step {} ({}); samples {} to {} are left out (rollback {} of "
      "the run)",
      fault.step, fault.what,
      sample ? fmt::format("; the inputs of sample {} are not finite", *sample) : "", step(), path,
      left_out.begin, left_out.end - 1, state_.rollbacks().count);
  log_->finish();
  open_log();
  log_->warn(line);
  saves_.reset();
  start_output();
  saves_->take_description();  // known from the start
  times_.roll_back(step());
  times_.add(RunTimes::starting,
             std::chrono::duration<double>(StepClock::Clock::now() - start).count());
}

// The path of the newest checkpoint of this run, which is loaded; empty if there is none.
std::string Run::load_newest() {
  RunCheckpoints checkpoints(session_, paths_.checkpoints());
  const auto load = [&](const auto& checkpoint, const auto& how) { state_.load(checkpoint, how); };
  const std::string path = checkpoints.resume("auto", load).path;
  const bool has_saved = !path.empty() && step() >= started_step_;
  const bool is_from_path = options_.resume != "auto" && options_.resume != "never";
  if (has_saved || !is_from_path) return path;
  return checkpoints.resume(options_.resume, load).path;
}

// Parameters or moments can become infinite in a step whose loss and gradient are finite.
void Run::require_finite_state() {
  for (const auto& what : gather(session_.communicator(), state_.not_finite())) {
    if (!what.empty()) end_diverged(step(), "a value of " + what + " is not finite");
  }
}

void Run::end_diverged(int64_t step, const std::string& what) {
  saves_->wait_for_save();
  end_diverged(step, what, state_.sample_not_finite(step));
}

// `sample`: one of the step whose inputs are not finite.
void Run::end_diverged(int64_t step, const std::string& what, std::optional<int64_t> sample) {
  over_ = true;
  status_ = ExitStatus::diverged;
  log_->finish();
  if (session_.rank() == 0) {
    finish_metrics();
    write_report();
  }
  const std::string remedy =
      sample
          ? fmt::format(
                "the inputs of sample {} of the run (counted from 0) are not finite, correct the "
                "data",
                *sample)
          : "try a lower learning rate (optimizer.learning_rate) or gradient clipping "
            "(train.gradient_clip)";
  const std::string message = fmt::format(
      "step {}: {}; {}; this step is not saved, earlier checkpoints are kept", step, what, remedy);
  throw RankFailure(ExitStatus::diverged, session_.rank() == 0 ? message : "");
}

}  // namespace ripieno
