// Linear layers: one, and the two of a transformer's block.
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/activation.h"

namespace ripieno {

using kernels::Activation;

// activation(x weight^T + bias).   x: (…, inputs); weight: (outputs, inputs); bias: (outputs) or
// undefined; -> (…, outputs)
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              Activation activation = Activation::kNone);

struct LinearParameters {
  Tensor weight, bias;
};

// linear(linear(x, up, activation), down), as one operation: its backward goes through the
// activation in the same pass as through `down`.
Tensor feed_forward(const Tensor& x, const LinearParameters& up, const LinearParameters& down,
                    Activation activation);

}  // namespace ripieno
