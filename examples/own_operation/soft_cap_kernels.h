// The kernels of soft_cap. nvcc compiles this header too, so it includes headers of
// ripieno/kernels only.
#pragma once

#include <ripieno/kernels/element_types.h>
#include <ripieno/kernels/execution.h>

#include <cstdint>

// out = cap tanh(in / cap).   in, out: (size)
template <typename T>
void soft_cap_forward(ripieno::kernels::OnCpu, T* out, const T* in, int64_t size, double cap);
template <typename T>
void soft_cap_forward(ripieno::kernels::OnCuda, T* out, const T* in, int64_t size, double cap);

// grad_in = grad_out (1 - (out / cap)²), from the forward's out.   all: (size)
template <typename T>
void soft_cap_backward(ripieno::kernels::OnCpu, T* grad_in, const T* grad_out, const T* out,
                       int64_t size, double cap);
template <typename T>
void soft_cap_backward(ripieno::kernels::OnCuda, T* grad_in, const T* grad_out, const T* out,
                       int64_t size, double cap);
