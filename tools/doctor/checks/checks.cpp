#include "ripieno/tools/doctor/checks/checks.h"

#include <iterator>

namespace ripieno::tools::doctor {

std::vector<Finding> check_host(const HostFacts& facts) {
  std::vector<Finding> findings;
  for (const auto check :
       {check_gpus, check_limits, check_names, check_clock, check_interfaces, check_mpi}) {
    auto found = check(facts);
    findings.insert(findings.end(), std::make_move_iterator(found.begin()),
                    std::make_move_iterator(found.end()));
  }
  return findings;
}

}  // namespace ripieno::tools::doctor
