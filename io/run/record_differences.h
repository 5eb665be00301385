// What differs between the records of several runs: configuration, data, versions, environment. Not
// installed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/files/json.h"

namespace ripieno::io {

struct RecordDifference {
  std::string key;  // "configuration.train.batch_size", "libraries.MPI"
  std::vector<std::optional<std::string>> values;  // of each run; empty: it has none
};

// The last start in a record, run.json; an empty object if there is none.
nlohmann::json last_start_of(const nlohmann::json& record);

// Of starts of run.json, one for each run. Leaves out what always differs, such as times. Keys of
// the configuration first, then data, versions and the rest.
std::vector<RecordDifference> record_differences(const std::vector<nlohmann::json>& starts);

}  // namespace ripieno::io
