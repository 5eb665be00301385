// Counts the NaN and infinite elements in the bytes of a tensor. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ripieno/core/dtype.h"

namespace ripieno::io {

// `bytes`: whole elements of `dtype`, not necessarily aligned. Returns 0 for integer types and
// bool.
int64_t count_not_finite(DType dtype, std::span<const std::byte> bytes);

}  // namespace ripieno::io
