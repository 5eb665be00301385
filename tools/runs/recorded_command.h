// RecordedCommand: how to repeat a run, from its record.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ripieno/io/files/json.h"

namespace ripieno::tools::runs {

struct RecordedCommand {
  std::string program = {};    // an absolute path
  std::string directory = {};  // in which it ran
  int ranks = 1;
  std::string configuration = {};         // TOML: every value that changes numbers
  std::vector<std::string> options = {};  // those that the configuration does not contain
  std::string resumed_from = {};          // a checkpoint; empty: it began at step 0
  std::map<std::string, std::string> environment = {};
  std::string build_id = {};              // of the program; empty: unknown
  std::vector<std::string> remarks = {};  // what a repetition may not reproduce
};

// How to repeat the first start of the record of a run (run.json). `name`: of the run, for
// messages. Throws DataError if the record does not say enough.
RecordedCommand recorded_command(const nlohmann::json& record, const std::string& name);

// The words that start the repetition. `launcher`: the path of ripieno_launch; used for several
// ranks. `configuration`: the path of the TOML file. `steps`: 0: as configured.
std::vector<std::string> words_of(const RecordedCommand& command, const std::string& launcher,
                                  const std::string& configuration,
                                  const std::string& run_directory, int64_t steps);

}  // namespace ripieno::tools::runs
