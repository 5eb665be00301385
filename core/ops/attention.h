// Attention without a (queries, keys) matrix in memory (FlashAttention-2; Dao, 2023, arXiv
// 2307.08691).
#pragma once

#include <optional>

#include "ripieno/core/tensor.h"

namespace ripieno {

// softmax(q k^T / sqrt(head_size)) v with a causal mask, for each head.
//   qkv: (batch, time, 3 * channels): queries, keys and values side by side in the last axis,
//     each (heads, head_size), with head_size = channels / heads
//   -> (batch, time, channels)
// qkv has a floating-point type. Throws Error for another shape, or if channels is not a multiple
// of `heads`.
Tensor causal_attention(const Tensor& qkv, int64_t heads);

// For each query, the range of keys that it sees: from `first` to `end` - 1. Both (batch, queries),
// int32; values outside [0, keys] are clamped. An undefined one is no limit.
struct KeyRanges {
  Tensor first = {}, end = {};
};

struct AttentionOptions {
  // Query i sees the keys up to keys - queries + i: the last query sees all.
  bool causal = false;
  // If positive, of those only the keys whose distance from key keys - queries + i is less: a query
  // of causal attention sees `window` keys.
  int64_t window = 0;
  // Broadcast to (batch, heads, queries, keys). bool: where false, the query does not see the key;
  // of the type of q: added to the scaled scores. It gets no gradient.
  Tensor mask = {};
  KeyRanges ranges = {};
  // Of the probabilities, during training; `dropout_stream` as in dropout.h.
  double dropout = 0.0;
  uint64_t dropout_stream = 0;
  // Multiplies q k^T; 1 / sqrt(head_size) by default.
  std::optional<double> scale = {};
};

// softmax(scale q k^T) v for each head. Query head h uses head h / (heads / key_heads) of k and v.
//   q: (batch, queries, heads, head_size); k, v: (batch, keys, key_heads, head_size), of one
//     floating-point type, where heads is a multiple of key_heads
//   -> (batch, queries, heads, head_size)
// A query that sees no key has the output 0. Throws Error for other shapes, types or devices, and
// for options outside their domain.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options = {});

// The ranges with which attention does not cross documents that follow each other within rows of
// `time` tokens, for causal and other attention, and the positions of the tokens in their
// documents, (batch, time), int32.
struct DocumentRanges {
  KeyRanges keys;
  Tensor positions;
};
// lengths: of the documents of each row, which add up to `time`. Throws Error for other lengths.
DocumentRanges document_ranges(const std::vector<std::vector<int64_t>>& lengths, int64_t time,
                               Device device = Device::cpu());

}  // namespace ripieno
