// What a linear layer's backward does: products with what goes along with them in one.
#pragma once

#include <cstdint>

#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// y = x weight^T + bias.   x: (rows, inputs); weight: (outputs, inputs); y: (rows, outputs); dense.
struct LinearShape {
  int64_t rows = 0, inputs = 0, outputs = 0;
};

// grad_x = (grad_y weight) * activation'(before): of the layer below too, whose activation gave x
// from `before`.   before: like x.
template <typename T>
void linear_input_gradient(OnCpu, T* grad_x, const T* grad_y, const T* weight, const T* before,
                           const LinearShape& shape, Activation activation);
template <typename T>
void linear_input_gradient(OnCuda, T* grad_x, const T* grad_y, const T* weight, const T* before,
                           const LinearShape& shape, Activation activation);

// grad_weight = grad_y^T x, and grad_bias[o] = sum over r of grad_y[r, o]; each added to what is
// there where `add_to_…`.   x: (rows, inputs); grad_y: (rows, outputs)
template <typename T>
struct LinearGradients {
  T* weight = nullptr;  // (outputs, inputs)
  T* bias = nullptr;    // (outputs)
  bool add_to_weight = false, add_to_bias = false;
};

// workspace: reduce_workspace({1, rows, outputs}) of reduce.h
template <typename T>
void linear_parameter_gradients(OnCpu, const LinearGradients<T>& gradients, void* workspace,
                                const T* grad_y, const T* x, const LinearShape& shape);
template <typename T>
void linear_parameter_gradients(OnCuda, const LinearGradients<T>& gradients, void* workspace,
                                const T* grad_y, const T* x, const LinearShape& shape);

}  // namespace ripieno::kernels
