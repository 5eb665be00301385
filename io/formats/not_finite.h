// Counts the numbers that are NaN or infinite among the bytes of a tensor. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ripieno/core/dtype.h"

namespace ripieno::io {

// Of whole elements, aligned or not; 0 for types that are no floating-point numbers.
int64_t count_not_finite(DType dtype, std::span<const std::byte> bytes);

}  // namespace ripieno::io
