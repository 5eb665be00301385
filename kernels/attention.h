// Causal scaled dot-product attention, computed in blocks: the (time, time) score matrix is never
// stored.
//
// Forward and backward follow FlashAttention-2 (Dao, arXiv 2307.08691). On a GPU, cuDNN computes
// 16-bit types if it is available (attention_library.h); all else runs on the
// built-in kernels.
#pragma once

#include <compare>
#include <cstdint>

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

}  // namespace ripieno::kernels
