// The environment variables that training programs read.
#pragma once

#include <string>

namespace ripieno {

// The list for --help, wrapped to `columns`.
std::string environment_listing(int columns);

// Throws ConfigurationError if a switch, such as RIPIENO_USE_CUDNN, is neither 0 nor 1. An empty
// value is as good as none.
void check_environment();

}  // namespace ripieno
