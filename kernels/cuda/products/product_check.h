// Comparison of a matrix product's results with results that were computed another way. Private to
// kernels/cuda.
#pragma once

#include <cstdint>

#include "ripieno/kernels/cuda/products/column_major.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels::cuda {

// sums[j] = sum over i of weights[i] * m(i, j), where m is the matrix after its transposition, and
// adds to what is there if `accumulate` holds. For each matrix of the batch:
//   sums: (batch, columns of m)   weights: (rows of m), the next ones `weights_stride` later
// A product is right if these sums of its result equal those of its factors, (w left) right: that
// depends on each of its elements, and costs one pass over each matrix (Freivalds' check).
template <typename T>
void weighted_column_sums(OnCuda on, double* sums, const double* weights, int64_t weights_stride,
                          const T* memory, const ColumnMajorMatrix& matrix, int64_t batch,
                          bool accumulate);

// How far a value may be from another, b: absolute + relative * |b|.
struct Tolerance {
  double absolute = 0, relative = 0;
};

inline constexpr int64_t kMostCounts = 1024;
// Number of counts that count_differences() writes, at most kMostCounts.
int64_t counts_of_differences(int64_t size);
// The sum of the counts is the number of elements of a that are too far from those of b, or NaN.
// a, b: (size)   counts: (counts_of_differences(size))
template <typename T>
void count_differences(OnCuda on, int32_t* counts, const T* a, const T* b, int64_t size,
                       const Tolerance& tolerance);

}  // namespace ripieno::kernels::cuda
