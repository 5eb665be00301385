// The versions of the libraries that this process uses, for run.json.
#pragma once

#include <map>
#include <string>

namespace ripieno {

// {"HDF5": "1.10.8", "MPI": "Open MPI v4.1.4", "oneDNN": "2.6.0", …}: as the libraries themselves
// say, without those that are not loaded. Those of the GPU are loaded when they are used.
std::map<std::string, std::string> library_versions();

}  // namespace ripieno
