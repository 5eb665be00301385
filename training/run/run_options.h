// RunOptions: options of a Run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ripieno/core/optim/schedule.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/io/checkpoint/retention.h"
#include "ripieno/training/metrics/metrics_options.h"
#include "ripieno/training/profile/profile.h"
#include "ripieno/training/run/initial_parameters.h"
#include "ripieno/training/settings/settings.h"
#include "ripieno/training/watch/watch_options.h"

namespace ripieno {

// What a run does about a bad step: one whose loss or gradient is not finite, or whose gradient
// norm or loss is an outlier. All ranks decide the same.
struct SafetyOptions {
  // stop: the run ends with ExitStatus::diverged (79). skip: the step changes neither parameters
  // nor optimizer state. rollback: the newest checkpoint is loaded, and the batch is left out.
  enum class OnBadStep { stop, skip, rollback };
  OnBadStep on_bad_step = OnBadStep::stop;
  // A gradient norm of more than this times the mean of recent steps is an outlier; 0: none is.
  double outlier_factor = 0;
  // A loss over all ranks is an outlier if it exceeds the median of the last 128 by more than this
  // times their standard deviation, as estimated from their median absolute deviation; 0: none is.
  // Nothing is before there are 32, since the start or a rollback. The loss is known after the
  // step, so this requires on_bad_step=stop or rollback.
  double loss_outlier_factor = 0;
  int64_t max_rollbacks = 3;  // to the same checkpoint, after which the run ends with 79

  // Whether the optimizer must detect bad steps itself, on the device.
  bool skips_steps() const { return on_bad_step != OnBadStep::stop || outlier_factor > 0; }
};

// Ends a run, with exit status 0, whose validation loss stopped improving.
struct EarlyStopping {
  int64_t patience = 0;    // validations in a row without improvement; 0: the run goes on
  double threshold = 0.0;  // an improvement is more than this share of the lowest loss
};

struct RunOptions {
  int64_t steps = 1000;  // the last step
  // Of the learning rate; empty: the learning rate of the optimizer is not changed. A schedule
  // without a peak has the learning rate that the optimizer has when the run is constructed.
  std::optional<optim::Schedule> schedule = {};
  // Of a schedule that reduces the learning rate on a plateau of the validation loss; the options'
  // factor is that of the schedule.
  optim::PlateauOptions plateau = {};
  EarlyStopping early_stopping = {};
  // Whether validation uses the average that the optimizer keeps (Optimizer::keep_average()), if it
  // does, in place of the parameters.
  bool validates_average = true;
  // In steps; empty: an interval in time, from the measured cost of saving (save_schedule.h). A
  // checkpoint is also saved at the end.
  std::optional<int64_t> checkpoint_every = {};
  double failures_per_day = 0;  // of the whole job; used if checkpoint_every is empty; 0: unknown
  // With keep.best, each new best is saved after its validation.
  io::Retention keep = {};
  bool stop_on_failed_save = false;     // otherwise the run continues and retries
  int64_t evaluate_every = 0;           // in steps; 0: only at the end
  int64_t evaluation_batch_size = 0;    // global, in samples; 0: as in training
  int64_t log_every = 1;                // steps between lines of metrics.jsonl
  std::vector<std::string> shown = {};  // further metrics in the progress line
  MetricsOptions metrics = {};          // where else they are written, and alerts
  int64_t check_every = 100;            // steps between comparisons of ranks; 0 disables them
  std::string resume = "auto";          // "auto", "never", or the path of a checkpoint
  InitialParameters initial = {};       // of a new run; ignored when resuming
  // Provides the loss to log and the times of the phases of a step, and synchronizes the ranks
  // before validation and saving. Required if ranks may differ between steps (DiLoCo).
  distributed::DataParallel* parallel = nullptr;
  WatchOptions watch = {};  // of the watchdog
  // Records steps if `file` is set; the table is part of the progress output.
  ProfileOptions profile = {};
  SafetyOptions safety = {};
  const Settings* settings = nullptr;  // recorded in run.json and in the checkpoints
  // Of a program without Settings, recorded there too: {{"hidden", 64}, {"note", "no dropout"}}.
  std::map<std::string, std::variant<bool, int64_t, double, std::string>> hyperparameters = {};
  std::FILE* progress = nullptr;  // progress output of rank 0; null: none
  std::FILE* messages = nullptr;  // warnings of rank 0; null: none
};

// RunOptions::plateau with the factor of the schedule.
optim::PlateauOptions plateau_of(const RunOptions& options);

// Throws ConfigurationError if a number is out of its range or the schedule is impossible. A Run
// calls it.
void check(const RunOptions& options);

}  // namespace ripieno
