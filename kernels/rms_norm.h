// Root-mean-square normalization of the rows of a matrix, optionally fused with a residual
// connection, and its gradients (Zhang and Sennrich, 2019, arXiv 1910.07467).
#pragma once

#include <cstdint>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

template <typename T>
struct RmsNormForwardArguments {
  T* out = nullptr;                     // (rows, cols), written; may alias x
  T* sum = nullptr;                     // (rows, cols), written; null if and only if branch is null
  accumulator_t<T>* inverse = nullptr;  // (rows), written: 1 / sqrt(mean of squares + epsilon)
  const T* x = nullptr;                 // (rows, cols)
  const T* branch = nullptr;            // (rows, cols), or null
  const T* weight = nullptr;            // (cols), or null
  int64_t rows = 0, cols = 0;
  double epsilon = 0.0;
};

// sum = x + branch and out[r, :] = sum[r, :] * inverse[r] * weight in one pass; without a branch
// sum is x.
template <typename T>
void rms_norm_forward(OnCpu, const RmsNormForwardArguments<T>& norm);
template <typename T>
void rms_norm_forward(OnCuda, const RmsNormForwardArguments<T>& norm);

template <typename T>
struct RmsNormBackwardArguments {
  T* grad_in = nullptr;      // (rows, cols); may alias grad_out unless accumulated
  T* grad_weight = nullptr;  // (cols), or null
  // rms_norm_chunks(rows) * cols floats (doubles for double); unused if grad_weight is null.
  accumulator_t<T>* partials = nullptr;
  const T* grad_out = nullptr;                // (rows, cols)
  const T* in = nullptr;                      // (rows, cols): the forward's sum
  const T* weight = nullptr;                  // (cols), or null
  const accumulator_t<T>* inverse = nullptr;  // (rows), from the forward
  int64_t rows = 0, cols = 0;
  // Whether a gradient is added to the existing values instead of overwriting them.
  bool accumulate_in = false, accumulate_weight = false;
};

// The number of partial sums of the weight's gradient. It does not depend on the device or on the
// number of threads, because the order of summation depends on it.
constexpr int64_t rms_norm_rows_per_chunk(int64_t rows) {
  constexpr int64_t kMostChunks = 512, kFewestRows = 32;
  const int64_t each = (rows + kMostChunks - 1) / kMostChunks;
  return each < kFewestRows ? kFewestRows : each;
}
constexpr int64_t rms_norm_chunks(int64_t rows) {
  return (rows + rms_norm_rows_per_chunk(rows) - 1) / rms_norm_rows_per_chunk(rows);
}

// Gradients of the input and of weight.
template <typename T>
void rms_norm_backward(OnCpu, const RmsNormBackwardArguments<T>& norm);
template <typename T>
void rms_norm_backward(OnCuda, const RmsNormBackwardArguments<T>& norm);

}  // namespace ripieno::kernels
