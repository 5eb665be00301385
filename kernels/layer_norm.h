// Layer normalization over the rows of a matrix, and its gradient (Ba, Kiros and Hinton, 2016).
#pragma once

#include <cstdint>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// out[r, :] = (in[r, :] - mean[r]) * inverse_deviation[r] * weight + bias.
// in, out: (rows, cols); mean, inverse_deviation: (rows), written; weight, bias: (cols), or both
// null.
template <typename T>
void layer_norm_forward(OnCpu, T* out, accumulator_t<T>* mean, accumulator_t<T>* inverse_deviation,
                        const T* in, const T* weight, const T* bias, int64_t rows, int64_t cols,
                        double epsilon);
template <typename T>
void layer_norm_forward(OnCuda, T* out, accumulator_t<T>* mean, accumulator_t<T>* inverse_deviation,
                        const T* in, const T* weight, const T* bias, int64_t rows, int64_t cols,
                        double epsilon);

// Rows that one partial sum of the weight's and bias's gradients covers.
inline constexpr int64_t kLayerNormRowChunk = 32;

// grad_in: (rows, cols), may alias grad_out. grad_weight, grad_bias: (cols), added to where
// `accumulate`, or both null. workspace: 2 * ceil(rows / kLayerNormRowChunk) * cols floats (doubles
// for double), unused where those are null.
template <typename T>
void layer_norm_backward(OnCpu, T* grad_in, T* grad_weight, T* grad_bias, void* workspace,
                         const T* grad_out, const T* in, const T* weight,
                         const accumulator_t<T>* mean, const accumulator_t<T>* inverse_deviation,
                         int64_t rows, int64_t cols, bool accumulate);
template <typename T>
void layer_norm_backward(OnCuda, T* grad_in, T* grad_weight, T* grad_bias, void* workspace,
                         const T* grad_out, const T* in, const T* weight,
                         const accumulator_t<T>* mean, const accumulator_t<T>* inverse_deviation,
                         int64_t rows, int64_t cols, bool accumulate);

}  // namespace ripieno::kernels
