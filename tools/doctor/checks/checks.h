// The checks of one host: a function for each subject, in a file of its name. Each returns at least
// one finding, and looks at nothing but the facts.
#pragma once

#include <vector>

#include "ripieno/tools/doctor/codes.h"
#include "ripieno/tools/doctor/finding.h"
#include "ripieno/tools/doctor/host_facts.h"

namespace ripieno::tools::doctor {

std::vector<Finding> check_gpus(const HostFacts& facts);
std::vector<Finding> check_limits(const HostFacts& facts);
std::vector<Finding> check_names(const HostFacts& facts);
std::vector<Finding> check_clock(const HostFacts& facts);
std::vector<Finding> check_interfaces(const HostFacts& facts);
std::vector<Finding> check_mpi(const HostFacts& facts);

// Those of all subjects, in this order.
std::vector<Finding> check_host(const HostFacts& facts);

}  // namespace ripieno::tools::doctor
