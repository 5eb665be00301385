// RunOptions: what a Run is asked to do.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/optim/schedule.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/io/checkpoint/retention.h"
#include "ripieno/training/run/initial_parameters.h"
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
  bool stop_on_failed_save = false;     // else the run goes on, and tries again
  int64_t evaluate_every = 0;           // steps; 0: at the end only
  int64_t evaluation_batch_size = 0;    // of all ranks together; 0: as in training
  int64_t log_every = 1;                // steps between lines of metrics.jsonl
  std::vector<std::string> shown = {};  // metrics that the progress line shows besides the loss
  int64_t check_every = 100;            // steps; 0: whether all ranks hold the same is not compared
  std::string resume = "auto";          // "auto", "never", or the path of a checkpoint
  InitialParameters initial = {};       // of a new run; one that is resumed ignores it
  // Whose losses are logged, whose times tell the metrics how long the phases of a step took, and
  // which makes the ranks alike before they are validated or saved: to be given where they may
  // differ between steps.
  distributed::DataParallel* parallel = nullptr;
  const Settings* settings = nullptr;  // recorded in run.json and in the checkpoints
  std::FILE* progress = nullptr;       // where progress is shown, and
  std::FILE* messages = nullptr;       // what goes wrong is said, by rank 0
};

}  // namespace ripieno
