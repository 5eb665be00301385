// The summation that all communicators over host memory use: in rank order, so that their results
// are bitwise identical.
#pragma once

#include <cstdint>
#include <span>

#include "ripieno/core/dtype.h"

namespace ripieno::distributed {

// Whether communicators can sum this element type.
bool has_sum(DType dtype);

// out[i] = parts[0][i] + parts[1][i] + …, added from left to right; 16-bit types are added in
// float32 and rounded once, int64 wraps around.   out, parts[r]: (elements); out may be one of the
// parts. Throws Error unless has_sum(dtype).
void sum_in_order(DType dtype, void* out, std::span<const void* const> parts, int64_t elements);
// As above, with the result written to each of `outs`.
void sum_in_order(DType dtype, std::span<void* const> outs, std::span<const void* const> parts,
                  int64_t elements);

}  // namespace ripieno::distributed
