// Softmax and log-softmax over the rows of a row-major matrix, and their gradients.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// out[r, :] = exp(in[r, :]) / sum(exp(in[r, :])), or its logarithm if `logarithm`.   in, out:
// (rows, cols); out may alias in.
template <typename T>
void softmax_forward(OnCpu, T* out, const T* in, int64_t rows, int64_t cols, bool logarithm);
template <typename T>
void softmax_forward(OnCuda, T* out, const T* in, int64_t rows, int64_t cols, bool logarithm);

// grad_in from grad_out and the forward's out.   All: (rows, cols); grad_in may alias grad_out.
template <typename T>
void softmax_backward(OnCpu, T* grad_in, const T* grad_out, const T* out, int64_t rows,
                      int64_t cols, bool logarithm);
template <typename T>
void softmax_backward(OnCuda, T* grad_in, const T* grad_out, const T* out, int64_t rows,
                      int64_t cols, bool logarithm);

}  // namespace ripieno::kernels
