// Causal self-attention without a time-by-time matrix in memory (FlashAttention-2; Dao, 2023, arXiv
// 2307.08691).
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// softmax(q k^T / sqrt(channels / heads), causally masked) v for each head. qkv: (batch, time, 3 *
// channels), of a floating-point type: queries, keys and values one after the other in the last
// axis, each (heads, channels / heads); -> (batch, time, channels). Throws Error for another shape,
// or if the channels are not a multiple of `heads`.
Tensor causal_attention(const Tensor& qkv, int64_t heads);

}  // namespace ripieno
