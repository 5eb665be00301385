// loaded_rows(): identifies the rows that this thread loaded first, so that DataParallel notices
// ranks that train on the same rows. Data loaders set it.
#pragma once

#include <cstdint>

namespace ripieno {

// A hash of the position of the rows in the batch and of their content; 0: no rows. This thread's.
uint64_t& loaded_rows();

}  // namespace ripieno
