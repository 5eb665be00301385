// What a configuration says in the sections that every training program shares.
//
// As a rule a key sets an option of the part that acts on it; the members of TrainingOptions
// beside those are the program's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ripieno/core/dtype.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/core/optim/schedule.h"
#include "ripieno/distributed/strategies/options.h"
#include "ripieno/training/run/run_options.h"
#include "ripieno/training/settings/settings.h"

namespace ripieno {

struct TrainingOptions {
  std::string optimizer_kind = "adamw";  // of optim::optimizer_names()
  optim::OptimizerOptions optimizer = {};
  optim::Schedule schedule = {.kind = optim::Schedule::Kind::cosine, .steps = 1000};
  distributed::DataParallelOptions parallel = {};
  RunOptions run = {.checkpoint_every = 1000};

  int64_t batch_size = 32;  // samples in a step, of all ranks together
  DType precision = DType::float32;
  bool tf32 = false;
  bool deterministic = false;
  int threads = 0;  // 0: session/processors.h
  int64_t seed = 1;
  bool strict = false;
  std::optional<int> slots = {};  // of strict mode; without a number as many as suit the batch
  int64_t timeout_seconds = 600;
};

// Adds the sections optimizer, schedule, train, parallel, checkpoint and log to the table, with the
// present values as defaults. `options` must outlive it.
void bind(Settings& settings, TrainingOptions& options);

}  // namespace ripieno
