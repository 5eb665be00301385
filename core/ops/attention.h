// Causal self-attention that never keeps a time-by-time matrix (FlashAttention-2; Dao, arXiv
// 2307.08691).
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// qkv: (batch, time, 3 * channels), queries, keys and values side by side, each (heads, channels /
// heads);
// -> (batch, time, channels). Scores are scaled by 1 / sqrt(channels / heads).
Tensor causal_attention(const Tensor& qkv, int64_t heads);

}  // namespace ripieno
