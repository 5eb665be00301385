// The record of one start of a run in run.json: version, command, devices, data, configuration.
#pragma once

#include <string>

#include "ripieno/io/data/loader.h"
#include "ripieno/io/files/json.h"
#include "ripieno/training/run/run_options.h"
#include "ripieno/training/session/session.h"

namespace ripieno {

// `resumed_from`: the path of a checkpoint, or empty.
nlohmann::json start_record(const Session& session, const io::Loader& loader,
                            const RunOptions& options, const std::string& resumed_from);

// The values of RunOptions::settings by section, and RunOptions::hyperparameters as one more.
nlohmann::json configuration_of(const RunOptions& options);

}  // namespace ripieno
