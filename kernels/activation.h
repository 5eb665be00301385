// Activation functions and their gradients, element by element.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/formulas/activation_formulas.h"  // Activation

namespace ripieno::kernels {

// out[i] = activation(in[i]).   out may alias in.
template <typename T>
void activation_forward(OnCpu, T* out, const T* in, int64_t size, Activation activation);
template <typename T>
void activation_forward(OnCuda, T* out, const T* in, int64_t size, Activation activation);

// grad_in[i] = grad_out[i] * activation'(in[i]).   grad_in may alias grad_out.
template <typename T>
void activation_backward(OnCpu, T* grad_in, const T* grad_out, const T* in, int64_t size,
                         Activation activation);
template <typename T>
void activation_backward(OnCuda, T* grad_in, const T* grad_out, const T* in, int64_t size,
                         Activation activation);

}  // namespace ripieno::kernels
