// Converts row-major products to the column-major convention of cuBLASLt. Private to kernels/cuda.
#pragma once

#include <algorithm>
#include <compare>

#include "ripieno/kernels/matmul.h"

namespace ripieno::kernels::cuda {

// A matrix in the column-major convention: elements of one column are adjacent.
struct ColumnMajorMatrix {
  int64_t rows = 0, cols = 0;
  int64_t leading = 0;  // elements from one column to the next
  int64_t stride = 0;   // elements from one matrix of the batch to the next
  bool transposed = false;

  auto operator<=>(const ColumnMajorMatrix&) const = default;
};

// result = left right
struct ColumnMajorProduct {
  ColumnMajorMatrix left, right, result;
  int64_t batch = 1;

  auto operator<=>(const ColumnMajorProduct&) const = default;
};

// A row-major matrix stored as (rows, cols); in the column-major convention it is its transpose.
inline ColumnMajorMatrix transpose_of(int64_t rows, int64_t cols, int64_t leading, int64_t stride,
                                      bool transposed) {
  return {cols, rows, rows > 1 ? leading : std::max(leading, cols), stride, transposed};
}

// c = a b is c^T = b^T a^T, and the column-major convention transposes all three: so b comes first.
inline ColumnMajorProduct column_major(const MatmulShape& s) {
  const auto a = s.transpose_a ? transpose_of(s.k, s.m, s.lda, s.stride_a, true)
                               : transpose_of(s.m, s.k, s.lda, s.stride_a, false);
  const auto b = s.transpose_b ? transpose_of(s.n, s.k, s.ldb, s.stride_b, true)
                               : transpose_of(s.k, s.n, s.ldb, s.stride_b, false);
  return {b, a, transpose_of(s.m, s.n, s.ldc, s.stride_c, false), s.batch};
}

}  // namespace ripieno::kernels::cuda
