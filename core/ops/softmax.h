// Softmax and log-softmax over the last axis.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// exp(x) / sum(exp(x)) over the last axis. x: (…, channels), of a floating-point type; the result
// is dense, with the same shape. Throws Error for a scalar.
Tensor softmax(const Tensor& x);
// The logarithm of softmax(x), computed without overflow or loss of precision.
Tensor log_softmax(const Tensor& x);

}  // namespace ripieno
