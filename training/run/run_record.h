// The record of one start of a run in run.json: version, command, devices, data, configuration.
#pragma once

#include <string>

#include "ripieno/io/data/loader.h"
#include "ripieno/io/files/json.h"
#include "ripieno/training/run/run_options.h"
#include "ripieno/training/run/run_times.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

// `resumed_from`: the path of a checkpoint, or empty.
nlohmann::json start_record(const Session& session, const io::Loader& loader,
                            const RunOptions& options, const std::string& resumed_from);

// The values of RunOptions::settings by section, and RunOptions::hyperparameters as one more.
nlohmann::json configuration_of(const RunOptions& options);

// How far this start has come, for the member "progress" of its entry in run.json: the time now,
// the first step after which it began, its last step, samples or tokens and skipped steps and
// rollbacks since the run began, and the seconds of this start.
struct StartProgress {
  int64_t first_step = 0, step = 0, samples = 0;
  int64_t skipped_steps = 0, rollbacks = 0, skipped_data = 0;
  bool stopped_early = false;  // by early stopping
};
nlohmann::json progress_record(const StartProgress& progress, const io::Loader& loader,
                               const RunTimes& times);

}  // namespace ripieno
