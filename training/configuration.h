// The configuration keys that all training programs share: the sections optimizer, schedule, ema,
// train, parallel, checkpoint, safety, metrics, alerts, watchdog and log.
//
// Most keys set an option of the component that uses it (optimizer, schedule, DataParallel, Run);
// TrainingProgram uses the other members of TrainingOptions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/dtype.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/core/optim/schedule.h"
#include "ripieno/distributed/strategies/options.h"
#include "ripieno/training/run/run_options.h"
#include "ripieno/training/settings/settings.h"
#include "ripieno/training/step_graph.h"

namespace ripieno {

struct TrainingOptions {
  std::string optimizer_kind = "adamw";  // one of optim::optimizer_names()
  optim::OptimizerOptions optimizer = {};
  optim::Schedule schedule = {.kind = optim::Schedule::Kind::cosine, .steps = 1000};
  std::vector<std::string> chain = {};  // of schedule.kind = "chain": "KIND STEPS" or … " to RATE"
  optim::AverageOptions average = {.decay = 0.0};  // 0: none is kept
  distributed::DataParallelOptions parallel = {};
  RunOptions run = {.checkpoint_every = 1000};

  int64_t batch_size = 32;  // samples per step, summed over all ranks
  DType precision = DType::float32;
  bool tf32 = false;
  bool deterministic = false;
  StepGraphOptions::Mode graph = StepGraphOptions::Mode::automatic;
  int threads = 0;  // CPU threads per rank; 0: chosen by session/processors.h
  int64_t seed = 1;
  bool strict = false;
  std::optional<int> slots = {};  // of strict mode; empty: the largest divisor of the batch up to 8
  int64_t timeout_seconds = 600;
  std::optional<int64_t> limit_seconds = {};  // of the watchdog; empty: chosen
};

// The schedule of these options, with the parts of a chain. Throws ConfigurationError for a part
// that is not of the form above.
optim::Schedule schedule_of(const TrainingOptions& options);

// Adds the sections named above to `settings`, with the current values as defaults. `options` must
// outlive `settings`.
void bind(Settings& settings, TrainingOptions& options);

}  // namespace ripieno
