// Embedding: rows of a table by id.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// table: (vocab, channels); ids: (…), int32; -> (…, channels). On the CPU an id out of range throws
// DataError that names it.
Tensor embedding(const Tensor& table, const Tensor& ids);

}  // namespace ripieno
