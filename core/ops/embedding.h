// Embedding: rows of a table by id.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// table: (vocab, channels); ids: (…, time), int32; positions: (time, channels), added to each
// sequence, or undefined; -> (…, time, channels). An id out of range throws DataError that names it
// on the CPU; on a GPU it counts as a row of zeros, and is told later (device_faults.h).
Tensor embedding(const Tensor& table, const Tensor& ids, const Tensor& positions = {});

}  // namespace ripieno
