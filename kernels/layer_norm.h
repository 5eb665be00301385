// Layer normalization of the rows of a matrix, optionally fused with a residual connection, and its
// gradients (Ba, Kiros and Hinton, 2016, arXiv 1607.06450).
#pragma once

#include <cstdint>

#include "ripieno/kernels/dropout.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

template <typename T>
struct LayerNormForwardArguments {
  T* out = nullptr;                               // (rows, cols), written
  accumulator_t<T>* mean = nullptr;               // (rows), written
  accumulator_t<T>* inverse_deviation = nullptr;  // (rows), written: 1 / sqrt(variance + epsilon)
  const T* in = nullptr;                          // (rows, cols)
  const T* weight = nullptr;                      // (cols); null if and only if bias is null
  const T* bias = nullptr;                        // (cols)
  int64_t rows = 0, cols = 0;
  double epsilon = 0.0;
};

// out[r, :] = (in[r, :] - mean[r]) * inverse_deviation[r] * weight + bias.
template <typename T>
void layer_norm_forward(OnCpu, const LayerNormForwardArguments<T>& norm);
template <typename T>
void layer_norm_forward(OnCuda, const LayerNormForwardArguments<T>& norm);

template <typename T>
struct ResidualNormForwardArguments {
  T* out = nullptr;                               // (rows, cols), written
  T* sum = nullptr;                               // (rows, cols), written; may alias x
  accumulator_t<T>* mean = nullptr;               // (rows), written
  accumulator_t<T>* inverse_deviation = nullptr;  // (rows), written: 1 / sqrt(variance + epsilon)
  const T* x = nullptr;                           // (rows, cols)
  const T* branch = nullptr;                      // (rows, cols)
  DropoutMask mask = {};                          // with probability 0, the key may be null
  const T* weight = nullptr;                      // (cols); null if and only if bias is null
  const T* bias = nullptr;                        // (cols)
  int64_t rows = 0, cols = 0;
  double epsilon = 0.0;
};

// sum = x + dropout(branch) and out = layer_norm(sum) in one pass: the end of one residual branch
// fused with the norm at the start of the next.
template <typename T>
void residual_norm_forward(OnCpu, const ResidualNormForwardArguments<T>& norm);
template <typename T>
void residual_norm_forward(OnCuda, const ResidualNormForwardArguments<T>& norm);

// Minimum number of rows in one partial sum of the gradients of weight and bias.
inline constexpr int64_t kLayerNormRowChunk = 32;

// Which gradients are added to the existing values instead of overwriting them.
struct LayerNormAccumulate {
  bool in = false, weight = false, bias = false;
};

template <typename T>
struct LayerNormBackwardArguments {
  T* grad_in = nullptr;      // (rows, cols); may alias grad_out unless accumulated
  T* grad_weight = nullptr;  // (cols); null if and only if grad_bias is null
  T* grad_bias = nullptr;    // (cols)
  // 2 * ceil(rows / kLayerNormRowChunk) * cols floats (doubles for double); unused if grad_weight
  // and grad_bias are null.
  void* workspace = nullptr;
  const T* grad_out = nullptr;                          // (rows, cols)
  const T* in = nullptr;                                // (rows, cols)
  const T* weight = nullptr;                            // (cols), or null
  const accumulator_t<T>* mean = nullptr;               // (rows)
  const accumulator_t<T>* inverse_deviation = nullptr;  // (rows)
  int64_t rows = 0, cols = 0;
  LayerNormAccumulate accumulate = {};
};

// Gradients of in, weight and bias from grad_out and the forward's mean and inverse_deviation.
template <typename T>
void layer_norm_backward(OnCpu, const LayerNormBackwardArguments<T>& norm);
template <typename T>
void layer_norm_backward(OnCuda, const LayerNormBackwardArguments<T>& norm);

// Backward of residual_norm_forward(): norm.in is the forward's `sum`, and norm.grad_in is also the
// gradient of x.
template <typename T>
struct ResidualNormBackwardArguments {
  LayerNormBackwardArguments<T> norm = {};
  T* grad_branch = nullptr;  // (rows, cols), or null
  DropoutMask mask = {};     // the forward's
};

// layer_norm_backward(), and grad_branch = dropout(grad_in) in the same pass.
template <typename T>
void residual_norm_backward(OnCpu, const ResidualNormBackwardArguments<T>& residual);
template <typename T>
void residual_norm_backward(OnCuda, const ResidualNormBackwardArguments<T>& residual);

}  // namespace ripieno::kernels
