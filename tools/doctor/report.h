// The output of `ripieno doctor`: text for a terminal of 80 columns, problems last, and JSON.
#pragma once

#include <string>
#include <vector>

#include "ripieno/io/files/json.h"
#include "ripieno/tools/doctor/finding.h"

namespace ripieno::tools::doctor {

// `title`: what was examined, "a: 1 rank".
std::string to_text(const std::string& title, std::vector<Finding> findings, double seconds);
nlohmann::json to_json(const std::string& title, const std::vector<Finding>& findings,
                       double seconds);

// A finding as JSON and back, to pass it between ranks. from_json() throws DataError.
nlohmann::json to_json(const Finding& finding);
Finding finding_from(const nlohmann::json& json);

// Whether any finding is a problem.
bool has_problem(const std::vector<Finding>& findings);

}  // namespace ripieno::tools::doctor
