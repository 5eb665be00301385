// Embedding: gathers rows of a table by id, and computes the gradient of the table.
//
// An id out of range reads as a row of zeros and has no gradient (known_ids.h detects such ids).
#pragma once

#include <cstddef>
#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

struct EmbeddingShape {
  int64_t count = 0, vocab = 0, channels = 0;  // number of ids; rows and columns of the table
};

// out[i, :] = table[ids[i], :] (+ positions[i % time, :] unless positions is null).   ids: (count);
// table: (vocab, channels); positions: (time, channels); out: (count, channels).
template <typename T>
void embedding_forward(OnCpu, T* out, const T* table, const int32_t* ids, const T* positions,
                       int64_t time, const EmbeddingShape& shape);
template <typename T>
void embedding_forward(OnCuda, T* out, const T* table, const int32_t* ids, const T* positions,
                       int64_t time, const EmbeddingShape& shape);

// Size in bytes of the workspace of embedding_backward(), which must be aligned to 16.
template <typename T>
std::size_t embedding_workspace_bytes(OnCpu, const EmbeddingShape& shape);
template <typename T>
std::size_t embedding_workspace_bytes(OnCuda, const EmbeddingShape& shape);

// grad_table[v, :] = sum of grad_out[i, :] over ids[i] == v (+ grad_table[v, :] if `accumulate`).
// grad_table: (vocab, channels); grad_out: (count, channels). The order of summation depends only
// on the ids and there are no atomics, so results are bitwise reproducible.
template <typename T>
void embedding_backward(OnCpu, T* grad_table, void* workspace, const T* grad_out,
                        const int32_t* ids, const EmbeddingShape& shape, bool accumulate);
template <typename T>
void embedding_backward(OnCuda, T* grad_table, void* workspace, const T* grad_out,
                        const int32_t* ids, const EmbeddingShape& shape, bool accumulate);

}  // namespace ripieno::kernels
