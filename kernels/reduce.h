// Reductions over one axis, and over everything, in an order that the number of threads does not
// change.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

enum class Reduction { kSum, kMax };

// in: (outer, axis, inner), dense; reduced over axis to out: (outer, inner).
struct ReduceShape {
  int64_t outer = 1, axis = 1, inner = 1;
};
int64_t reduce_workspace(OnCpu, const ReduceShape& shape);  // 0
int64_t reduce_workspace(OnCuda, const ReduceShape& shape);

// out[o, i] = scale * reduction over a of in[o, a, i] (+ out[o, i] where `accumulate`; kSum only).
// The maximum of nothing is -infinity; NaN wins.
// workspace: reduce_workspace floats (doubles for double).
template <typename T>
void reduce(OnCpu, T* out, const T* in, void* workspace, const ReduceShape& shape,
            Reduction reduction, double scale, bool accumulate);
template <typename T>
void reduce(OnCuda, T* out, const T* in, void* workspace, const ReduceShape& shape,
            Reduction reduction, double scale, bool accumulate);

// grad_in[o, a, i] = grad_out[o, i] where in[o, a, i] is the first to equal out[o, i], else 0.
template <typename T>
void reduce_max_backward(OnCpu, T* grad_in, const T* grad_out, const T* in, const T* out,
                         const ReduceShape& shape);
template <typename T>
void reduce_max_backward(OnCuda, T* grad_in, const T* grad_out, const T* in, const T* out,
                         const ReduceShape& shape);

// Elements that one partial sum of sum_of_squares covers.
inline constexpr int64_t kSumChunk = 4096;

// *out = sum of in[i]^2, summed in double.   partials: workspace of ceil(size / kSumChunk) doubles.
template <typename T>
void sum_of_squares(OnCpu, double* out, double* partials, const T* in, int64_t size);
template <typename T>
void sum_of_squares(OnCuda, double* out, double* partials, const T* in, int64_t size);

}  // namespace ripieno::kernels
