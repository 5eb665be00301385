// LaunchOptions: the command line of `ripieno launch`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ripieno/tools/launch/budget.h"
#include "ripieno/tools/launch/decision.h"
#include "ripieno/tools/launch/notices/notices.h"
#include "ripieno/tools/launch/rank.h"

namespace ripieno::tools {

struct LaunchOptions {
  std::optional<int> ranks = {};
  std::string host_file = {};
  std::string exclude_file = {};   // hosts not to use; empty: none
  std::string run_directory = {};  // empty: that of the program's arguments
  std::string interfaces = {};     // empty: chosen
  std::vector<std::string> mpirun_options = {};
  Limits limits = {};
  BudgetLimits budget = {};
  Prices prices = {};
  Cloud notices = Cloud::none;
  std::string notices_url = {};
  bool dry_run = false;
  std::vector<std::string> program = {};

  // Set for the wrapper of a rank, `ripieno_launch --rank-of FOLDER`.
  std::optional<RankOptions> rank = {};
};

// Prints the help and returns nullopt if it was asked for. Throws UsageError.
std::optional<LaunchOptions> parse_launch_options(int argc, const char* const* argv);

}  // namespace ripieno::tools
