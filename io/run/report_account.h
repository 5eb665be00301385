// The parts of a report that say where the time of a run went, and what it cost. Not installed.
#pragma once

#include <string>

#include "ripieno/io/run/run_account.h"

namespace ripieno::io {

// A card each for the effective time, the time lost, the overall rate, tokens per USD and FLOP.
std::string account_figures(const RunAccount& account);
// Tables of the time lost, and of the effective time, by cause.
std::string account_section(const RunAccount& account);

}  // namespace ripieno::io
