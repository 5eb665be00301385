// Launch: runs a program on all ranks, in as many attempts as it takes.
#pragma once

#include "ripieno/tools/launch/options.h"

namespace ripieno::tools {

// Returns the exit status (--help has the list). Throws UsageError, ConfigurationError,
// StorageError.
int launch(const LaunchOptions& options);

}  // namespace ripieno::tools
