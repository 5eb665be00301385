// The record of one start of a run in run.json: version, command, devices, data, configuration.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ripieno/distributed/data_parallel.h"
#include "ripieno/io/data/loader.h"
#include "ripieno/training/session/session.h"
#include "ripieno/training/settings/settings.h"

namespace ripieno {

// `settings` and `parallel` may be null. `resumed_from`: the path of a checkpoint, or empty.
nlohmann::json start_record(const Session& session, const io::Loader& loader,
                            const Settings* settings, distributed::DataParallel* parallel,
                            const std::string& resumed_from);

}  // namespace ripieno
