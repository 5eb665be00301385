// Stable sorting of pairs by key: CUB's on a GPU, the standard library's in the emulator. Private
// to kernels/cuda.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels::cuda {

// Bytes of workspace that sort_by_key needs.
std::size_t sort_workspace_bytes(int64_t count, int key_bits);

// The pairs in ascending order of their keys, those of one key in the order in which they came.
// keys: not negative, of at most key_bits bits. all: (count), none over another.
void sort_by_key(OnCuda on, int32_t* sorted_keys, int32_t* sorted_values, const int32_t* keys,
                 const int32_t* values, int64_t count, int key_bits, void* workspace,
                 std::size_t workspace_bytes);

}  // namespace ripieno::kernels::cuda
