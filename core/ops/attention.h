// Causal self-attention without a time-by-time matrix in memory (FlashAttention-2; Dao, 2023, arXiv
// 2307.08691).
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// softmax(q k^T / sqrt(head_size)) v with a causal mask, for each head.
//   qkv: (batch, time, 3 * channels): queries, keys and values side by side in the last axis,
//     each (heads, head_size), with head_size = channels / heads
//   -> (batch, time, channels)
// qkv has a floating-point type. Throws Error for another shape, or if channels is not a multiple
// of `heads`.
Tensor causal_attention(const Tensor& qkv, int64_t heads);

}  // namespace ripieno
