// The wrapper of one rank: starts the program, forwards signals to it, and records how it ended.
// mpirun itself only reports one status for all ranks.
#pragma once

#include <string>
#include <vector>

#include "ripieno/tools/launch/notices/notices.h"

namespace ripieno::tools {

struct RankOptions {
  std::string folder = {};      // of the attempt's records
  std::string temporary = {};   // created on this host for Open MPI; empty: none
  Cloud notices = Cloud::none;  // polled by the first rank of each host
  std::string notices_url = {};
  std::string launcher_host = {};  // polls for itself
  std::vector<std::string> program = {};
};

// Runs the program until it ends, and returns its exit status. If a signal ended it, this process
// ends itself by the same signal, so that mpirun sees what it would see without a wrapper.
//
// SIGUSR1 and SIGUSR2, which request a save, are held back until the program handles them: they
// would kill one that is still starting. A program that does not handle them within 10 seconds gets
// SIGTERM instead. If the wrapper is killed, so is the program.
int run_rank(const RankOptions& options);

}  // namespace ripieno::tools
