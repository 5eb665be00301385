// What the ranks of a job tell each other, as JSON texts.
#pragma once

#include <string>
#include <vector>

#include "ripieno/tools/doctor/checks/ranks.h"
#include "ripieno/tools/doctor/finding.h"
#include "ripieno/tools/doctor/links.h"

namespace ripieno::tools::doctor {

// The first: where the host can be reached.
struct Introduction {
  LinkEnd end;
  int local_rank = 0;
};
std::string text_of(const Introduction& introduction);

// The second: what the rank found out.
struct RankReport {
  RankFacts facts;
  std::vector<Finding> findings;  // about its host; empty if another rank examines that
};
std::string text_of(const RankReport& report);

// Throw DataError.
Introduction introduction_in(const std::string& text);
RankReport report_in(const std::string& text);

}  // namespace ripieno::tools::doctor
