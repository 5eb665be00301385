// Causal scaled dot-product attention by blocks: no time-by-time matrix is ever kept.
//
// Forward and backward follow FlashAttention-2 (Dao, arXiv 2307.08691). On a GPU 16-bit types are
// cuDNN's where it is found (attention_library.h), else kernels of our own.
#pragma once

#include <compare>
#include <cstdint>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// q, k, v are read, and their gradients written, at
//   pointer + batch * qkv_batch_stride + time * qkv_time_stride + head * head_size + d,
// so that a packed (batch, time, 3, heads, head_size) tensor is three pointers into it.
// out and grad_out are dense: (batch, time, heads, head_size).
struct AttentionShape {
  int64_t batch = 0, time = 0, heads = 0, head_size = 0;
  int64_t qkv_batch_stride = 0, qkv_time_stride = 0;
  double scale = 1.0;           // of q k, usually 1 / sqrt(head_size)
  bool repeatable = false;      // the backward gives the same bits each time: see numerics.h
  bool worth_compiling = true;  // a library may compile a kernel for this shape, for a second

  auto operator<=>(const AttentionShape&) const = default;
};

// Bytes of `workspace`, aligned to 16, whose contents are nobody's before and after a call.
template <typename T>
int64_t attention_forward_workspace_bytes(OnCpu, const AttentionShape& shape);
template <typename T>
int64_t attention_forward_workspace_bytes(OnCuda, const AttentionShape& shape);
template <typename T>
int64_t attention_backward_workspace_bytes(OnCpu, const AttentionShape& shape);
template <typename T>
int64_t attention_backward_workspace_bytes(OnCuda, const AttentionShape& shape);

// out[b, t, h] = sum over s <= t of softmax_s(scale * q[b, t, h] . k[b, s, h]) v[b, s, h].
// log_sum_exp: (2, batch, heads, time), written, kept for the backward: the logarithm of the sum of
// exp(score) of each query, then what rounding left out of it. One number alone would lose three
// digits of the gradient where scores are near 1e5. A library on a GPU keeps 0 as the second.
template <typename T>
void attention_forward(OnCpu, T* out, accumulator_t<T>* log_sum_exp, void* workspace, const T* q,
                       const T* k, const T* v, const AttentionShape& shape);
template <typename T>
void attention_forward(OnCuda, T* out, accumulator_t<T>* log_sum_exp, void* workspace, const T* q,
                       const T* k, const T* v, const AttentionShape& shape);

template <typename T>
struct AttentionBackwardArguments {
  // Laid out like q, k, v; every element is written, none is read.
  T* grad_q = nullptr;
  T* grad_k = nullptr;
  T* grad_v = nullptr;
  void* workspace = nullptr;  // of attention_backward_workspace_bytes()
  const T* grad_out = nullptr;
  const T* q = nullptr;
  const T* k = nullptr;
  const T* v = nullptr;
  const T* out = nullptr;                         // the forward's
  const accumulator_t<T>* log_sum_exp = nullptr;  // the forward's
};

template <typename T>
void attention_backward(OnCpu, const AttentionBackwardArguments<T>& of,
                        const AttentionShape& shape);
template <typename T>
void attention_backward(OnCuda, const AttentionBackwardArguments<T>& of,
                        const AttentionShape& shape);

}  // namespace ripieno::kernels
