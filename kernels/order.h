// Sorting, the positions of extremes, cumulative sums, and reductions of integers.
//
// NaN counts as larger than every number.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/formulas/order_formulas.h"  // IntegerReduction
#include "ripieno/kernels/reduce.h"                   // ReduceShape

namespace ripieno::kernels {

// Size in bytes of the workspace of sort_rows(), which must be aligned to 16.
template <typename T>
std::size_t sort_rows_workspace(OnCpu, int64_t rows, int64_t cols);
template <typename T>
std::size_t sort_rows_workspace(OnCuda, int64_t rows, int64_t cols);

// Sorts each row stably: values[r, :] = in[r, order[r, :]].   all: (rows, cols). T, here and below:
// float, double, bfloat16, float16, int64_t, int32_t, uint8_t.
template <typename T>
void sort_rows(OnCpu, T* values, int64_t* order, void* workspace, const T* in, int64_t rows,
               int64_t cols, bool descending);
template <typename T>
void sort_rows(OnCuda, T* values, int64_t* order, void* workspace, const T* in, int64_t rows,
               int64_t cols, bool descending);

// out[o, i] = the first a at which in[o, a, i] is largest, or smallest if `least`, or NaN.   The
// axis must not be empty.
template <typename T>
void argument_of_extreme(OnCpu, int64_t* out, const T* in, const ReduceShape& shape, bool least);
template <typename T>
void argument_of_extreme(OnCuda, int64_t* out, const T* in, const ReduceShape& shape, bool least);

// out[o, a, i] = the sum of in[o, b, i] over b <= a, or over b >= a if `reverse`.   T: the
// floating-point types, and int64_t, whose sums wrap around.
template <typename T>
void cumulative_sum(OnCpu, T* out, const T* in, const ReduceShape& shape, bool reverse);
template <typename T>
void cumulative_sum(OnCuda, T* out, const T* in, const ReduceShape& shape, bool reverse);

// out[o, i] = reduction over a of in[o, a, i]; sums and products wrap around.   Over an empty axis:
// 0, 1, and the smallest and the largest int64_t.
void reduce_integers(OnCpu, int64_t* out, const int64_t* in, const ReduceShape& shape,
                     IntegerReduction reduction);
void reduce_integers(OnCuda, int64_t* out, const int64_t* in, const ReduceShape& shape,
                     IntegerReduction reduction);

}  // namespace ripieno::kernels
