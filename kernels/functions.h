// Element-wise functions of one tensor and two numbers, and of two tensors, with their gradients.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/formulas/function_formulas.h"  // Function, Pair

namespace ripieno::kernels {

// out[i] = function(in[i]).   out may alias in.   T, here and below: float, double, bfloat16,
// float16.
template <typename T>
void function_forward(OnCpu, T* out, const T* in, int64_t size, const FunctionOf& function);
template <typename T>
void function_forward(OnCuda, T* out, const T* in, int64_t size, const FunctionOf& function);

// grad_in[i] = grad_out[i] * function'(in[i]).   grad_in may alias grad_out.
template <typename T>
void function_backward(OnCpu, T* grad_in, const T* grad_out, const T* in, int64_t size,
                       const FunctionOf& function);
template <typename T>
void function_backward(OnCuda, T* grad_in, const T* grad_out, const T* in, int64_t size,
                       const FunctionOf& function);

// out[i] = pair(a[i], b[i]), with the number p.   out may alias a or b.
template <typename T>
void pair_forward(OnCpu, T* out, const T* a, const T* b, int64_t size, Pair pair, double p);
template <typename T>
void pair_forward(OnCuda, T* out, const T* a, const T* b, int64_t size, Pair pair, double p);

// grad_in[i] = grad_out[i] * the derivative of pair by a, or by b if `by_b`, at (a[i], b[i]).
template <typename T>
void pair_backward(OnCpu, T* grad_in, const T* grad_out, const T* a, const T* b, int64_t size,
                   Pair pair, bool by_b, double p);
template <typename T>
void pair_backward(OnCuda, T* grad_in, const T* grad_out, const T* a, const T* b, int64_t size,
                   Pair pair, bool by_b, double p);

}  // namespace ripieno::kernels
