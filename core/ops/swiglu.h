// The gate of a SwiGLU feed-forward network (Shazeer, 2020, arXiv 2002.05202).
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// gate / (1 + exp(-gate)) * up, element-wise in one pass. The two have one shape, floating-point
// type and device; throws Error otherwise.
Tensor swiglu(const Tensor& gate, const Tensor& up);

}  // namespace ripieno
