// Backward of a linear layer: matrix products fused with the gradients of activation and bias.
#pragma once

#include <cstdint>

#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// y = x weight^T + bias.   x: (rows, inputs); weight: (outputs, inputs); y: (rows, outputs); all
// contiguous.
struct LinearShape {
  int64_t rows = 0, inputs = 0, outputs = 0;
};

// grad_x = (grad_y weight) * activation'(before), element-wise: the gradient through the activation
// that produced x, where x = activation(before).   grad_x, before: (rows, inputs); grad_y: (rows,
// outputs).
template <typename T>
void linear_input_gradient(OnCpu, T* grad_x, const T* grad_y, const T* weight, const T* before,
                           const LinearShape& shape, Activation activation);
template <typename T>
void linear_input_gradient(OnCuda, T* grad_x, const T* grad_y, const T* weight, const T* before,
                           const LinearShape& shape, Activation activation);

// The outputs of linear_parameter_gradients(). add_to_weight and add_to_bias add to the existing
// values instead of overwriting them.
template <typename T>
struct LinearGradients {
  T* weight = nullptr;  // (outputs, inputs)
  T* bias = nullptr;    // (outputs)
  bool add_to_weight = false, add_to_bias = false;
};

// gradients.weight = grad_y^T x, and gradients.bias[o] = sum over r of grad_y[r, o].
// workspace: reduce_workspace({1, rows, outputs}), see reduce.h.   x: (rows, inputs); grad_y:
// (rows, outputs)
template <typename T>
void linear_parameter_gradients(OnCpu, const LinearGradients<T>& gradients, void* workspace,
                                const T* grad_y, const T* x, const LinearShape& shape);
template <typename T>
void linear_parameter_gradients(OnCuda, const LinearGradients<T>& gradients, void* workspace,
                                const T* grad_y, const T* x, const LinearShape& shape);

}  // namespace ripieno::kernels
