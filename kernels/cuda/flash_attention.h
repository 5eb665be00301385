// Attention by kernels of our own. Private to kernels/cuda.
#pragma once

#include "ripieno/kernels/attention.h"

namespace ripieno::kernels::cuda {

// As attention_forward() and attention_backward(). products: (batch, heads, time), scratch.
template <typename T>
void flash_attention_forward(OnCuda on, T* out, accumulator_t<T>* log_sum_exp, const T* q,
                             const T* k, const T* v, const AttentionShape& shape);
template <typename T>
void flash_attention_backward(OnCuda on, T* grad_q, T* grad_k, T* grad_v,
                              accumulator_t<T>* products, const T* grad_out, const T* q, const T* k,
                              const T* v, const T* out, const accumulator_t<T>* log_sum_exp,
                              const AttentionShape& shape);

}  // namespace ripieno::kernels::cuda
