// Activations: ReLU and its relatives, GELU in its exact and tanh forms, SiLU, and gated units.
//
// x: any shape and floating-point element type; the result is dense, with the same shape and type.
// tanh() is in arithmetic.h.
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

// 1 / (1 + exp(-x)).
Tensor sigmoid(const Tensor& x);
// x sigmoid(x), also called Swish (Elfwing et al., 2017, arXiv 1702.03118).
Tensor silu(const Tensor& x);
// x tanh(softplus(x)) (Misra, 2019, arXiv 1908.08681).
Tensor mish(const Tensor& x);
// log(1 + exp(beta x)) / beta. Throws Error unless beta is positive.
Tensor softplus(const Tensor& x, double beta = 1.0);
// x if it is positive, else slope x.
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
// The same with a slope that is learned: weight, of one element, or one per channel (axis 1 of x,
// as in PyTorch). Throws Error for another shape.
Tensor prelu(const Tensor& x, const Tensor& weight);
// x if it is positive, else alpha (exp(x) - 1).
Tensor elu(const Tensor& x, double alpha = 1.0);
// clamp(x / 6 + 1/2, 0, 1), and x times that.
Tensor hard_sigmoid(const Tensor& x);
Tensor hard_swish(const Tensor& x);
// max(x, 0)^2 (So et al., 2021, arXiv 2109.08668).
Tensor squared_relu(const Tensor& x);
// a sigmoid(b), where a and b are the halves of x along an axis (Dauphin et al., 2016, arXiv
// 1612.08083). Throws Error if its size is odd.
Tensor glu(const Tensor& x, int axis = -1);

// The activation that is given as a value; kNone returns x itself.
Tensor activate(const Tensor& x, Activation activation);

// The gradient of activate(before): gradient * activation'(before), elementwise. Both dense, with
// the same shape and type. For backwards; not recorded.
Tensor activation_gradient(const Tensor& gradient, const Tensor& before, Activation activation);

}  // namespace ripieno
