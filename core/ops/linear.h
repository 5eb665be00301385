// Linear layers: a single one, and the two-layer feed-forward network of a transformer block.
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/activation.h"

namespace ripieno {

using kernels::Activation;

// activation(x weight^T + bias).
//   x: (…, inputs); weight: (outputs, inputs); bias: (outputs), or undefined
//   -> (…, outputs)
// All must have the same floating-point type and device; throws Error otherwise.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              Activation activation = Activation::kNone);

struct LinearParameters {
  Tensor weight, bias;
};

// linear(linear(x, up, activation), down) as one operation: its backward computes the gradient of
// the activation in the same pass as that of `down`. Throws Error as linear() does.
//   x: (…, inputs); up: (hidden, inputs) and (hidden); down: (outputs, hidden) and (outputs)
//   -> (…, outputs)
Tensor feed_forward(const Tensor& x, const LinearParameters& up, const LinearParameters& down,
                    Activation activation);

}  // namespace ripieno
