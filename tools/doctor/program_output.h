// program_output(): what another program prints, for `mpirun --version` and nvidia-smi.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace ripieno::tools::doctor {

struct ProgramOutput {
  int status = 0;         // exit status, 127: not found, 128 + N: ended by signal N
  std::string text = {};  // of stdout, at most 64 KiB
};

// Runs the program, searched for in PATH, with /dev/null as stdin and stderr. nullopt if it does
// not end within `seconds`; it is then killed.
std::optional<ProgramOutput> program_output(const std::vector<std::string>& words, double seconds);

}  // namespace ripieno::tools::doctor
