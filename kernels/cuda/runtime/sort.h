// Stable sorting of (key, value) pairs: by CUB on a GPU, by the standard library in the emulator.
// Private to kernels/cuda.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels::cuda {

// Size in bytes of the workspace of sort_by_key().
std::size_t sort_workspace_bytes(int64_t count, int key_bits);

// Sorts pairs by ascending key, stably. Keys must not be negative and have at most key_bits bits.
// All arrays: (count), none aliasing another.
void sort_by_key(OnCuda on, int32_t* sorted_keys, int32_t* sorted_values, const int32_t* keys,
                 const int32_t* values, int64_t count, int key_bits, void* workspace,
                 std::size_t workspace_bytes);

}  // namespace ripieno::kernels::cuda
