// make_strategy: the one place that chooses a strategy, and what options it refuses.
#pragma once

#include <memory>

#include "ripieno/distributed/strategies/options.h"
#include "ripieno/distributed/strategies/strategy.h"

namespace ripieno::distributed {

// Throws ConfigurationError for options that cannot be combined.
void check(const DataParallelOptions& options);

// The strategy of these options, for ranks that then start alike (start_alike.h). A collective.
// Throws ConfigurationError where the options, or the optimizer with them, cannot work.
std::unique_ptr<Strategy> make_strategy(const Replica& replica, const DataParallelOptions& options);

}  // namespace ripieno::distributed
