// Causal scaled dot-product attention by blocks: no time-by-time matrix is ever kept.
//
// Forward and backward follow FlashAttention-2 (Dao, 2023).
#pragma once

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
  double scale = 1.0;  // of q k, usually 1 / sqrt(head_size)
};

// out[b, t, h] = sum over s <= t of softmax_s(scale * q[b, t, h] . k[b, s, h]) v[b, s, h].
// log_sum_exp: (batch, heads, time), written, kept for the backward.
template <typename T>
void attention_forward(OnCpu, T* out, accumulator_t<T>* log_sum_exp, const T* q, const T* k,
                       const T* v, const AttentionShape& shape);
template <typename T>
void attention_forward(OnCuda, T* out, accumulator_t<T>* log_sum_exp, const T* q, const T* k,
                       const T* v, const AttentionShape& shape);

// grad_q, grad_k, grad_v: laid out like q, k, v; every element is written, none is read.
// workspace: (batch, heads, time) accumulators.
template <typename T>
void attention_backward(OnCpu, T* grad_q, T* grad_k, T* grad_v, accumulator_t<T>* workspace,
                        const T* grad_out, const T* q, const T* k, const T* v, const T* out,
                        const accumulator_t<T>* log_sum_exp, const AttentionShape& shape);
template <typename T>
void attention_backward(OnCuda, T* grad_q, T* grad_k, T* grad_v, accumulator_t<T>* workspace,
                        const T* grad_out, const T* q, const T* k, const T* v, const T* out,
                        const accumulator_t<T>* log_sum_exp, const AttentionShape& shape);

}  // namespace ripieno::kernels
