// examine_job(): all of `ripieno doctor`, for a process alone or one rank of a job.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ripieno/tools/calibration.h"
#include "ripieno/tools/doctor/examine.h"
#include "ripieno/tools/doctor/exclude.h"
#include "ripieno/tools/doctor/finding.h"

namespace ripieno::tools::doctor {

struct Examined {
  std::string title;  // "4 ranks on 2 hosts: a, b"
  std::vector<Finding> findings = {};
  std::vector<ExcludedHost> excluded = {};
  Calibration calibration = {};  // empty unless a file of it was asked for
};

// Calls `report` on rank 0. Takes less than 30 seconds. Whether there is a problem, on rank 0;
// false on the others. Throws ConfigurationError and what `report` throws.
bool examine_job(const DoctorOptions& options, const std::function<void(const Examined&)>& report);

}  // namespace ripieno::tools::doctor
