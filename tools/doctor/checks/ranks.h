// The checks that compare the ranks of a job.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ripieno/tools/doctor/all_reduce.h"
#include "ripieno/tools/doctor/codes.h"
#include "ripieno/tools/doctor/finding.h"
#include "ripieno/tools/doctor/links.h"

namespace ripieno::tools::doctor {

// What a rank reports to rank 0.
struct RankFacts {
  bool has_reported = true;
  std::string host = {};
  std::string build = {};        // of program and CPU kernels
  std::string fingerprint = {};  // of the data; empty: unknown
  bool has_written = true;       // its file for the others
  std::vector<int> unseen = {};  // ranks whose file it does not see
  std::vector<LinkFacts> links = {};
};

struct JobFacts {
  std::vector<RankFacts> ranks;                   // (ranks)
  std::optional<AllReduceFacts> all_reduce = {};  // empty: it could not be measured
  double link_gbits = 0;                          // what the network should give; 0: unknown
};

std::vector<Finding> check_presence(const JobFacts& job);
std::vector<Finding> check_builds(const JobFacts& job);
std::vector<Finding> check_clocks(const JobFacts& job);
std::vector<Finding> check_links(const JobFacts& job);
std::vector<Finding> check_shared_storage(const JobFacts& job);
std::vector<Finding> check_same_data(const JobFacts& job);
std::vector<Finding> check_all_reduce(const JobFacts& job);

// Those of all subjects, in this order.
std::vector<Finding> check_job(const JobFacts& job);

// The hosts, in the order of their first rank.
std::vector<std::string> hosts_of(const JobFacts& job);

}  // namespace ripieno::tools::doctor
