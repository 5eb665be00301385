// Activations: ReLU, and GELU in its exact and tanh forms.
//
// x: any shape and floating-point element type; the result is dense, with the same shape and type.
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/activation.h"

namespace ripieno {

using kernels::Activation;

// max(x, 0). NaN stays NaN.
Tensor relu(const Tensor& x);
// x Phi(x), where Phi is the distribution function of the standard normal (Hendrycks and Gimpel,
// 2016, arXiv 1606.08415).
Tensor gelu(const Tensor& x);
// The tanh approximation of GELU, as in GPT-2.
Tensor gelu_tanh(const Tensor& x);
// The activation that is given as a value; kNone returns x itself.
Tensor activate(const Tensor& x, Activation activation);

// The gradient of activate(before): gradient * activation'(before), elementwise. Both dense, with
// the same shape and type. For backwards; not recorded.
Tensor activation_gradient(const Tensor& gradient, const Tensor& before, Activation activation);

}  // namespace ripieno
