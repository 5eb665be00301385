// Softmax and its logarithm over the last axis.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);

}  // namespace ripieno
