// Reductions over one axis or over a whole tensor, in an order that does not depend on the number
// of threads.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

enum class Reduction { kSum, kMax, kMin, kProduct };

// in: (outer, axis, inner), contiguous; out: (outer, inner).
struct ReduceShape {
  int64_t outer = 1, axis = 1, inner = 1;
};

// Size of the workspace of reduce() in floats (doubles for double).
int64_t reduce_workspace(OnCpu, const ReduceShape& shape);  // 0
int64_t reduce_workspace(OnCuda, const ReduceShape& shape);

// out[o, i] = scale * reduction over a of in[o, a, i] (+ out[o, i] if `accumulate`; kSum only).
// Over an empty axis the sum is 0, the maximum -infinity, the minimum infinity and the product 1;
// NaN propagates. workspace: reduce_workspace() floats (doubles for double).
template <typename T>
void reduce(OnCpu, T* out, const T* in, void* workspace, const ReduceShape& shape,
            Reduction reduction, double scale, bool accumulate);
template <typename T>
void reduce(OnCuda, T* out, const T* in, void* workspace, const ReduceShape& shape,
            Reduction reduction, double scale, bool accumulate);

// The gradient of the maximum and of the minimum: grad_in[o, a, i] = grad_out[o, i] at the first a
// with in[o, a, i] == out[o, i], where NaN is equal to NaN; 0 elsewhere.
template <typename T>
void reduce_max_backward(OnCpu, T* grad_in, const T* grad_out, const T* in, const T* out,
                         const ReduceShape& shape);
template <typename T>
void reduce_max_backward(OnCuda, T* grad_in, const T* grad_out, const T* in, const T* out,
                         const ReduceShape& shape);

// grad_in[o, a, i] = grad_out[o, i] * the product of in[o, b, i] over all b != a.
template <typename T>
void reduce_product_backward(OnCpu, T* grad_in, const T* grad_out, const T* in,
                             const ReduceShape& shape);
template <typename T>
void reduce_product_backward(OnCuda, T* grad_in, const T* grad_out, const T* in,
                             const ReduceShape& shape);

// What is added up by sum_of(), of z = in - center.
enum class Summand { kMagnitude, kSquare, kPower, kExp };  // |z|, z², |z|^p, exp(z)

// out[o, i] = the sum over a of summand(in[o, a, i] - center[o, i]).   center: null for 0.
// T: float, double.
template <typename T>
void sum_of(OnCpu, T* out, const T* in, const T* center, const ReduceShape& shape, Summand summand,
            double p);
template <typename T>
void sum_of(OnCuda, T* out, const T* in, const T* center, const ReduceShape& shape, Summand summand,
            double p);

// Number of elements in one partial sum of sum_of_squares().
inline constexpr int64_t kSumChunk = 4096;

// *out = sum of in[i]^2, accumulated in double.   partials: ceil(size / kSumChunk) doubles of
// workspace.
template <typename T>
void sum_of_squares(OnCpu, double* out, double* partials, const T* in, int64_t size);
template <typename T>
void sum_of_squares(OnCuda, double* out, double* partials, const T* in, int64_t size);

}  // namespace ripieno::kernels
