// Embedding: rows of a table by id, and the gradient of the table.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// out[i, :] = table[ids[i], :].   ids: (count); table: (vocab, channels). A row whose id is out of
// range is NaN.
template <typename T>
void embedding_forward(OnCpu, T* out, const T* table, const int32_t* ids, int64_t count,
                       int64_t vocab, int64_t channels);
template <typename T>
void embedding_forward(OnCuda, T* out, const T* table, const int32_t* ids, int64_t count,
                       int64_t vocab, int64_t channels);

// grad_table[v, :] = sum of grad_out[i, :] over ids[i] == v, in the order of i (+ grad_table where
// `accumulate`). Ids out of range are left out. No atomics, so that it repeats to the bit.
// workspace: 3 * count + vocab + 1 int32s (a stable sort of the ids).
template <typename T>
void embedding_backward(OnCpu, T* grad_table, int32_t* workspace, const T* grad_out,
                        const int32_t* ids, int64_t count, int64_t vocab, int64_t channels,
                        bool accumulate);
template <typename T>
void embedding_backward(OnCuda, T* grad_table, int32_t* workspace, const T* grad_out,
                        const int32_t* ids, int64_t count, int64_t vocab, int64_t channels,
                        bool accumulate);

}  // namespace ripieno::kernels
