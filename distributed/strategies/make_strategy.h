// make_strategy: chooses the strategy for given options, and rejects invalid options.
#pragma once

#include <memory>

#include "ripieno/distributed/strategies/options.h"
#include "ripieno/distributed/strategies/strategy.h"

namespace ripieno::distributed {

// Throws ConfigurationError if the options cannot be combined.
void check(const DataParallelOptions& options);

// The strategy for these options. First gives all ranks the initial state of rank 0
// (broadcast_initial_state.h). What `replica` refers to must outlive the result. A collective.
// Throws ConfigurationError if the options cannot be combined with each other or with the
// optimizer.
std::unique_ptr<Strategy> make_strategy(const Replica& replica, const DataParallelOptions& options);

}  // namespace ripieno::distributed
