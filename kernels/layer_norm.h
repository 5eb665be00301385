// Layer normalization over the rows of a matrix, alone or of a residual connection, and its
// gradient (Ba, Kiros and Hinton, 2016, arXiv 1607.06450).
#pragma once

#include <cstdint>

#include "ripieno/kernels/dropout.h"
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

// sum = x + dropout(branch) and out = layer_norm(sum) at once: what a residual connection hands on,
// and what the next branch begins with.   out, sum, x, branch: (rows, cols); sum may alias x.
// A mask of probability 0 needs no key.
template <typename T>
void residual_norm_forward(OnCpu, T* out, T* sum, accumulator_t<T>* mean,
                           accumulator_t<T>* inverse_deviation, const T* x, const T* branch,
                           const DropoutMask& mask, const T* weight, const T* bias, int64_t rows,
                           int64_t cols, double epsilon);
template <typename T>
void residual_norm_forward(OnCuda, T* out, T* sum, accumulator_t<T>* mean,
                           accumulator_t<T>* inverse_deviation, const T* x, const T* branch,
                           const DropoutMask& mask, const T* weight, const T* bias, int64_t rows,
                           int64_t cols, double epsilon);

// Rows that one partial sum of the weight's and bias's gradients covers, at least.
inline constexpr int64_t kLayerNormRowChunk = 32;

// Which gradients are added to those that are there, rather than written over them.
struct LayerNormAccumulate {
  bool in = false, weight = false, bias = false;
};

// grad_in: (rows, cols), may alias grad_out where it is not added to. grad_weight, grad_bias:
// (cols), or both null. workspace: 2 * ceil(rows / kLayerNormRowChunk) * cols floats (doubles for
// double), unused where those are null.
template <typename T>
void layer_norm_backward(OnCpu, T* grad_in, T* grad_weight, T* grad_bias, void* workspace,
                         const T* grad_out, const T* in, const T* weight,
                         const accumulator_t<T>* mean, const accumulator_t<T>* inverse_deviation,
                         int64_t rows, int64_t cols, LayerNormAccumulate accumulate);
template <typename T>
void layer_norm_backward(OnCuda, T* grad_in, T* grad_weight, T* grad_bias, void* workspace,
                         const T* grad_out, const T* in, const T* weight,
                         const accumulator_t<T>* mean, const accumulator_t<T>* inverse_deviation,
                         int64_t rows, int64_t cols, LayerNormAccumulate accumulate);

// The same for the norm of a sum, with grad_branch = dropout(grad_sum) at once.   grad_sum,
// grad_branch: (rows, cols); grad_sum is also the gradient of x. `in` above is `sum` here.
template <typename T>
void residual_norm_backward(OnCpu, T* grad_sum, T* grad_branch, T* grad_weight, T* grad_bias,
                            void* workspace, const T* grad_out, const T* sum,
                            const DropoutMask& mask, const T* weight, const accumulator_t<T>* mean,
                            const accumulator_t<T>* inverse_deviation, int64_t rows, int64_t cols,
                            LayerNormAccumulate accumulate);
template <typename T>
void residual_norm_backward(OnCuda, T* grad_sum, T* grad_branch, T* grad_weight, T* grad_bias,
                            void* workspace, const T* grad_out, const T* sum,
                            const DropoutMask& mask, const T* weight, const accumulator_t<T>* mean,
                            const accumulator_t<T>* inverse_deviation, int64_t rows, int64_t cols,
                            LayerNormAccumulate accumulate);

}  // namespace ripieno::kernels
