// Activations: ReLU, and GELU exact or by tanh.
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/activation.h"

namespace ripieno {

using kernels::Activation;

Tensor relu(const Tensor& x);
// x Phi(x) (Hendrycks and Gimpel, 2016).
Tensor gelu(const Tensor& x);
// Its tanh approximation, as in GPT-2.
Tensor gelu_tanh(const Tensor& x);
Tensor activate(const Tensor& x, Activation activation);

// gradient * activation'(before): the backward, not recorded.
Tensor activation_gradient(const Tensor& gradient, const Tensor& before, Activation activation);

}  // namespace ripieno
