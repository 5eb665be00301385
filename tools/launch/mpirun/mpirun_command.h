// The command line of one attempt: mpirun with the options that our programs need, or the program
// itself if there is one rank.
#pragma once

#include <string>
#include <vector>

#include "ripieno/tools/launch/mpirun/network.h"

namespace ripieno::tools {

struct AttemptCommand {
  int ranks = 1;
  std::vector<Host> hosts = {};  // of this attempt; empty: this host alone
  NetworkChoice network = {};
  bool exceeds_cores = false;  // whether a host has more ranks than cores
  bool is_root = false;
  std::string temporary = {};  // for this attempt's files on each host; may be removed afterwards
  std::vector<std::string> exported = {};  // names of environment variables that other hosts get
  std::vector<std::string> more_options = {};  // of mpirun, from the user
  std::vector<std::string> program = {};       // and its arguments
};

// The words of the command. `rank_wrapper`: the words that start the wrapper of a rank, which
// precede the program.
std::vector<std::string> words_of(const AttemptCommand& attempt,
                                  const std::vector<std::string>& rank_wrapper);

// The names of those variables that a rank on another host requires: of Ripieno, NCCL and the
// threads, and the search path of libraries. mpirun exports those of Open MPI itself.
std::vector<std::string> exported_variables(const char* const* environment);

}  // namespace ripieno::tools
