// TrainingProgram: what every training program says and asks before its model exists: the command
// line, the configuration, and what follows from them.
//
//   TrainingProgram program;
//   model.bind(program.settings);  // the program's own sections
//   if (!program.start(session, "Trains a …")) return 0;
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "ripieno/core/dtype.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/core/optim/schedule.h"
#include "ripieno/training/configuration.h"
#include "ripieno/training/run/run.h"
#include "ripieno/training/session/session.h"
#include "ripieno/training/settings/command_line.h"
#include "ripieno/training/settings/settings.h"

namespace ripieno {

struct TrainingProgram {
  Settings settings;
  TrainingOptions options;
  CommandLine command;

  // Once: adds the shared sections to the table, reads the command line and the configuration,
  // takes the device, and seeds the random numbers of this thread. False where help was wanted
  // instead, which rank 0 then wrote to `out`. A collective.
  bool start(Session& session, const std::string& about, std::FILE* out);

  int slots() const;  // of strict mode; 0: it is off
  uint64_t seed() const { return static_cast<uint64_t>(options.seed); }
  std::unique_ptr<optim::Optimizer> make_optimizer(const Parameters& parameters) const;
  optim::OptimizerOptions optimizer_options() const;
  optim::Schedule make_schedule() const;
  distributed::DataParallelOptions parallel_options() const;
  RunOptions run_options(distributed::DataParallel& data_parallel) const;
};

}  // namespace ripieno
