// TrainingProgram: the setup that all training programs share: command line, configuration, device,
// threads, seed, and the options of optimizer, DataParallel and Run that follow from them.
//
//   TrainingProgram program;
//   model.bind(program.settings);  // adds keys of the program itself
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
#include "ripieno/training/step_graph.h"

namespace ripieno {

struct TrainingProgram {
  Settings settings;
  TrainingOptions options;
  CommandLine command;

  // To be called once: adds the shared keys to `settings`, reads the command line and the
  // configuration, selects the device, and seeds the random numbers of this thread. Returns false
  // for --help and --version, whose text rank 0 writes to `out`. Throws UsageError or
  // ConfigurationError. A collective.
  bool start(Session& session, const std::string& about, std::FILE* out);

  // Throws ConfigurationError for settings that do not go together, or that only their users can
  // check, such as rules of alerts.
  void check_settings() const;

  int slots() const;  // number of slots in strict mode; 0: strict mode is disabled
  uint64_t seed() const { return static_cast<uint64_t>(options.seed); }
  std::unique_ptr<optim::Optimizer> make_optimizer(const Parameters& parameters) const;
  optim::OptimizerOptions optimizer_options() const;
  optim::Schedule make_schedule() const;
  distributed::DataParallelOptions parallel_options() const;
  double watchdog_limit_seconds() const;
  RunOptions run_options(distributed::DataParallel& data_parallel) const;
  // With remarks on stderr.
  StepGraphOptions graph_options() const;
};

}  // namespace ripieno
