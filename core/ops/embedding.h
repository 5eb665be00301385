// Embedding: looks up rows of a table by id.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// result[…, t, :] = table[ids[…, t], :] + positions[t, :].
//   table: (vocab, channels), of a floating-point type; ids: (…, time), int32
//   positions: (time, channels), of the table's type, or undefined
//   -> (…, time, channels)
// Throws Error for other shapes, types and devices. An id outside [0, vocab) throws DataError on
// the CPU; on a GPU it counts as a row of zeros, and is reported later (device_faults.h).
Tensor embedding(const Tensor& table, const Tensor& ids, const Tensor& positions = {});

}  // namespace ripieno
