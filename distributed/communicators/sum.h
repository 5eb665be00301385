// The one sum of every communicator: in rank order, so that all of them give the same bits.
#pragma once

#include <cstdint>
#include <span>

#include "ripieno/core/dtype.h"

namespace ripieno::distributed {

// Whether the communicators add up numbers of this type.
bool has_sum(DType dtype);

// out[i] = parts[0][i] + parts[1][i] + …, added from left to right, the 16-bit types in float and
// rounded once. out may be one of the parts. Throws Error where has_sum(dtype) is false.
void sum_in_order(DType dtype, void* out, std::span<const void* const> parts, int64_t elements);
// Leaves it in every one of `outs`.
void sum_in_order(DType dtype, std::span<void* const> outs, std::span<const void* const> parts,
                  int64_t elements);

}  // namespace ripieno::distributed
