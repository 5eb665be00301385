// The gate of a SwiGLU feed-forward network (Shazeer, 2020, arXiv 2002.05202), and its gradients.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// out = gate / (1 + exp(-gate)) * up.   all: (size); out may alias gate or up.
template <typename T>
void swiglu_forward(OnCpu, T* out, const T* gate, const T* up, int64_t size);
template <typename T>
void swiglu_forward(OnCuda, T* out, const T* gate, const T* up, int64_t size);

// The gradients of gate and up in one pass.   all: (size); grad_gate or grad_up may be null, or
// alias grad_out.
template <typename T>
void swiglu_backward(OnCpu, T* grad_gate, T* grad_up, const T* grad_out, const T* gate, const T* up,
                     int64_t size);
template <typename T>
void swiglu_backward(OnCuda, T* grad_gate, T* grad_up, const T* grad_out, const T* gate,
                     const T* up, int64_t size);

}  // namespace ripieno::kernels
