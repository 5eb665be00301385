// loaded_rows(): identifies the rows that this thread loaded first, so that DataParallel notices
// ranks that train on the same rows. Data loaders set it; a program whose ranks load the same rows
// on purpose sets it to 0 before the first step.
#pragma once

#include <cstdint>

namespace ripieno {

// A hash of the position of the rows in the batch and of their content, of the first batches of all
// loaders together: ranks are the same only if all of them are. 0: no rows. This thread's.
uint64_t& loaded_rows();

}  // namespace ripieno
