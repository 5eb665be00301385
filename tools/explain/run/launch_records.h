// What `ripieno launch` recorded of its newest attempt, if the run was started by it:
// launch/attempt_00001/ in the run directory.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/tools/explain/run/rank.h"

namespace ripieno::tools::explain {

struct LaunchRecords {
  int attempts = 0;
  std::vector<LaunchedEnd> ends = {};               // of the newest attempt
  std::map<std::string, std::string> notices = {};  // of preemption, by host
  std::set<std::string> lost = {};                  // hosts, as the host file names them
};

// Skips files that cannot be read or parsed. Throws StorageError if a directory cannot be listed.
LaunchRecords read_launch_records(const io::FileSystem& files, const std::string& run_directory);

}  // namespace ripieno::tools::explain
