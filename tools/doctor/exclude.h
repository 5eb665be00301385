// The hosts that a job should not use, as a host file for `ripieno launch --exclude-file`.
#pragma once

#include <string>
#include <vector>

#include "ripieno/tools/doctor/checks/ranks.h"
#include "ripieno/tools/doctor/finding.h"

namespace ripieno::tools::doctor {

struct ExcludedHost {
  std::string host;
  std::string code;  // of the problem
};

// Hosts with a problem of their own, unless all of them have one. Of the hosts that are left, those
// with the most links that are cut or slow, until no such link is left; the later one of two.
// `of_hosts`: findings about single hosts, (hosts_of(job)).
std::vector<ExcludedHost> hosts_to_exclude(const JobFacts& job,
                                           const std::vector<std::vector<Finding>>& of_hosts);

std::string exclude_file_text(const std::vector<ExcludedHost>& hosts);

}  // namespace ripieno::tools::doctor
