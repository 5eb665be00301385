// Scaled dot-product attention, computed in blocks: the (queries, keys) score matrix is never
// stored. attention_…: causal self-attention; masked_attention_…: all else.
//
// Forward and backward follow FlashAttention-2 (Dao, arXiv 2307.08691). On a GPU, cuDNN computes
// causal self-attention of 16-bit types if it is available (attention_library.h); all else runs on
// the built-in kernels.
#pragma once

#include <compare>
#include <cstdint>

#include "ripieno/kernels/dropout.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// Layout. Element (batch, time, head, d) of q, k, v and of their gradients is at
//   pointer + batch * qkv_batch_stride + time * qkv_time_stride + head * head_size + d,
// so q, k and v can be three pointers into one packed (batch, time, 3, heads, head_size) tensor.
// out and grad_out are contiguous: (batch, time, heads, head_size). Strides are in elements.
struct AttentionShape {
  int64_t batch = 0, time = 0, heads = 0, head_size = 0;
  int64_t qkv_batch_stride = 0, qkv_time_stride = 0;
  double scale = 1.0;           // multiplies q . k; usually 1 / sqrt(head_size)
  bool repeatable = false;      // the backward must be bitwise reproducible: see numerics.h
  bool worth_compiling = true;  // a library may spend a second compiling for this shape

  auto operator<=>(const AttentionShape&) const = default;
};

// Size of `workspace` in bytes; it must be aligned to 16. Its contents need not be initialized, and
// are undefined after the call.
template <typename T>
int64_t attention_forward_workspace_bytes(OnCpu, const AttentionShape& shape);
template <typename T>
int64_t attention_forward_workspace_bytes(OnCuda, const AttentionShape& shape);
template <typename T>
int64_t attention_backward_workspace_bytes(OnCpu, const AttentionShape& shape);
template <typename T>
int64_t attention_backward_workspace_bytes(OnCuda, const AttentionShape& shape);

// out[b, t, h] = sum over s <= t of softmax_s(scale * q[b, t, h] . k[b, s, h]) v[b, s, h].
// log_sum_exp: (2, batch, heads, time), written for the backward: [0] is log(sum(exp(score))) of
// each query, [1] is its rounding error. With [0] alone, gradients would lose three digits where
// scores are near 1e5. If a library computes the forward on a GPU, [1] is 0.
template <typename T>
void attention_forward(OnCpu, T* out, accumulator_t<T>* log_sum_exp, void* workspace, const T* q,
                       const T* k, const T* v, const AttentionShape& shape);
template <typename T>
void attention_forward(OnCuda, T* out, accumulator_t<T>* log_sum_exp, void* workspace, const T* q,
                       const T* k, const T* v, const AttentionShape& shape);

template <typename T>
struct AttentionBackwardArguments {
  // Laid out like q, k, v; every element is overwritten.
  T* grad_q = nullptr;
  T* grad_k = nullptr;
  T* grad_v = nullptr;
  void* workspace = nullptr;    // attention_backward_workspace_bytes() bytes
  const T* grad_out = nullptr;  // (batch, time, heads, head_size)
  const T* q = nullptr;
  const T* k = nullptr;
  const T* v = nullptr;
  const T* out = nullptr;                         // output of the forward
  const accumulator_t<T>* log_sum_exp = nullptr;  // written by the forward
};

// Gradients of q, k and v from the gradient of the output.
template <typename T>
void attention_backward(OnCpu, const AttentionBackwardArguments<T>& args,
                        const AttentionShape& shape);
template <typename T>
void attention_backward(OnCuda, const AttentionBackwardArguments<T>& args,
                        const AttentionShape& shape);

// Element (batch, time, head, d) is at batch * batch_stride + time * time_stride + head * head_size
// + d.
struct AttentionLayout {
  int64_t batch_stride = 0, time_stride = 0;  // in elements
};

struct MaskedAttentionShape {
  int64_t batch = 0, queries = 0, keys = 0;
  // Query head h uses head h / (heads / key_heads) of k and v.
  int64_t heads = 0, key_heads = 0, head_size = 0;
  AttentionLayout q = {}, k = {}, v = {};
  double scale = 1.0;
  // Query i sees the keys up to keys - queries + i, so that the last query sees all.
  bool causal = false;
  // If positive, of those only the keys whose distance from key keys - queries + i is less.
  int64_t window = 0;
  // Of AttentionMasks::added or allowed, in elements: of batch, head, query and key.
  int64_t mask_strides[4] = {};
  DropoutMask dropout = {};  // of the probabilities, (batch, heads, queries, keys)
};

template <typename T>
struct AttentionMasks {
  const T* added = nullptr;       // added to the scaled scores, or null
  const bool* allowed = nullptr;  // false: the query does not see the key; or null
  // (batch, queries), or null: a query sees only the keys from first_key to end_key - 1. Values
  // outside [0, keys] are clamped.
  const int32_t* first_key = nullptr;
  const int32_t* end_key = nullptr;
};

// out and log_sum_exp as for attention_forward(), with (batch, queries, heads, head_size) and
// (2, batch, heads, queries). A query that sees no key has the output 0.
template <typename T>
void masked_attention_forward(OnCpu, T* out, accumulator_t<T>* log_sum_exp, const T* q, const T* k,
                              const T* v, const AttentionMasks<T>& masks,
                              const MaskedAttentionShape& shape);
template <typename T>
void masked_attention_forward(OnCuda, T* out, accumulator_t<T>* log_sum_exp, const T* q, const T* k,
                              const T* v, const AttentionMasks<T>& masks,
                              const MaskedAttentionShape& shape);

// Where the gradients are written; args.workspace: batch * heads * queries floats (doubles for
// double).
struct AttentionGradientLayouts {
  AttentionLayout q, k, v;
};

// Gradients of q, k and v; every element is overwritten.
template <typename T>
void masked_attention_backward(OnCpu, const AttentionBackwardArguments<T>& args,
                               const AttentionGradientLayouts& layouts,
                               const AttentionMasks<T>& masks, const MaskedAttentionShape& shape);
template <typename T>
void masked_attention_backward(OnCuda, const AttentionBackwardArguments<T>& args,
                               const AttentionGradientLayouts& layouts,
                               const AttentionMasks<T>& masks, const MaskedAttentionShape& shape);

}  // namespace ripieno::kernels
