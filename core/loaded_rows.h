// loaded_rows(): identifies the rows that this thread loaded first, so that DataParallel notices
// ranks that train on the same rows. Data loaders set it; a program whose ranks load the same rows
// on purpose sets it to 0 before the first step.
#pragma once

#include <cstdint>

namespace ripieno {

// Hash of the position and content of the first batch of each loader on this thread, in the order
// in which they delivered it; 0 if none did.
uint64_t& loaded_rows();

}  // namespace ripieno
