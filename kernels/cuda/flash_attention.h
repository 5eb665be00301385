// The built-in attention kernels, used where there is no library plan. Private to kernels/cuda.
#pragma once

#include "ripieno/kernels/attention.h"

namespace ripieno::kernels::cuda {

// See attention_forward() and attention_backward() in attention.h.
template <typename T>
void flash_attention_forward(OnCuda on, T* out, accumulator_t<T>* log_sum_exp, const T* q,
                             const T* k, const T* v, const AttentionShape& shape);
template <typename T>
void flash_attention_backward(OnCuda on, const AttentionBackwardArguments<T>& args,
                              const AttentionShape& shape);

}  // namespace ripieno::kernels::cuda
