// The output of `ripieno plan`: text for people, JSON for programs.
#pragma once

#include <string>

#include "ripieno/io/files/json.h"
#include "ripieno/tools/plan/changes.h"

namespace ripieno::tools::plan {

struct Report {
  std::string configuration;  // the path
  std::string kind;           // of the model
  Question question;
  Forecast result;
  std::vector<Change> changes;
  std::optional<Change> to_fit;  // if the result does not fit
};

std::string to_text(const Report& report);
nlohmann::json to_json(const Report& report);

}  // namespace ripieno::tools::plan
