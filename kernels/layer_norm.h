// Layer normalization over the rows of a matrix, alone or of a residual connection, and its
// gradient (Ba, Kiros and Hinton, 2016, arXiv 1607.06450).
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
  accumulator_t<T>* inverse_deviation = nullptr;  // (rows), written
  const T* in = nullptr;                          // (rows, cols)
  const T* weight = nullptr;                      // (cols); both null, or neither
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
  accumulator_t<T>* inverse_deviation = nullptr;  // (rows), written
  const T* x = nullptr;                           // (rows, cols)
  const T* branch = nullptr;                      // (rows, cols)
  DropoutMask mask = {};                          // one of probability 0 needs no key
  const T* weight = nullptr;                      // (cols); both null, or neither
  const T* bias = nullptr;                        // (cols)
  int64_t rows = 0, cols = 0;
  double epsilon = 0.0;
};

// sum = x + dropout(branch) and out = layer_norm(sum) at once: what a residual connection hands on,
// and what the next branch begins with.
template <typename T>
void residual_norm_forward(OnCpu, const ResidualNormForwardArguments<T>& norm);
template <typename T>
void residual_norm_forward(OnCuda, const ResidualNormForwardArguments<T>& norm);

// Rows that one partial sum of the weight's and bias's gradients covers, at least.
inline constexpr int64_t kLayerNormRowChunk = 32;

// Which gradients are added to those that are there, rather than written over them.
struct LayerNormAccumulate {
  bool in = false, weight = false, bias = false;
};

template <typename T>
struct LayerNormBackwardArguments {
  T* grad_in = nullptr;      // (rows, cols); may alias grad_out where it is not added to
  T* grad_weight = nullptr;  // (cols); both null, or neither
  T* grad_bias = nullptr;    // (cols)
  // 2 * ceil(rows / kLayerNormRowChunk) * cols floats (doubles for double), unused where those are
  // null.
  void* workspace = nullptr;
  const T* grad_out = nullptr;                          // (rows, cols)
  const T* in = nullptr;                                // (rows, cols)
  const T* weight = nullptr;                            // (cols), or null
  const accumulator_t<T>* mean = nullptr;               // (rows)
  const accumulator_t<T>* inverse_deviation = nullptr;  // (rows)
  int64_t rows = 0, cols = 0;
  LayerNormAccumulate accumulate = {};
};

template <typename T>
void layer_norm_backward(OnCpu, const LayerNormBackwardArguments<T>& norm);
template <typename T>
void layer_norm_backward(OnCuda, const LayerNormBackwardArguments<T>& norm);

// The norm is of a sum: its `in` is the sum, and its grad_in is also the gradient of x.
template <typename T>
struct ResidualNormBackwardArguments {
  LayerNormBackwardArguments<T> norm = {};
  T* grad_branch = nullptr;  // (rows, cols), or null
  DropoutMask mask = {};     // of the branch
};

// As layer_norm_backward(), with grad_branch = dropout(grad_in) at once.
template <typename T>
void residual_norm_backward(OnCpu, const ResidualNormBackwardArguments<T>& residual);
template <typename T>
void residual_norm_backward(OnCuda, const ResidualNormBackwardArguments<T>& residual);

}  // namespace ripieno::kernels
