// A row-major product in the terms of a column-major library, for cuBLASLt's callers. Private to
// kernels/cuda.
#pragma once

#include <algorithm>
#include <compare>

#include "ripieno/kernels/matmul.h"

namespace ripieno::kernels::cuda {

// A matrix as a column-major library sees it: rows run along memory.
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

// `rows` stored rows of `cols`, row-major: column-major, they are the columns of the transpose.
inline ColumnMajorMatrix transpose_of(int64_t rows, int64_t cols, int64_t leading, int64_t stride,
                                      bool transposed) {
  return {cols, rows, rows > 1 ? leading : std::max(leading, cols), stride, transposed};
}

// c = a b is c^T = b^T a^T, and a transpose is what the library sees anyway: b comes first.
inline ColumnMajorProduct column_major(const MatmulShape& s) {
  const auto a = s.transpose_a ? transpose_of(s.k, s.m, s.lda, s.stride_a, true)
                               : transpose_of(s.m, s.k, s.lda, s.stride_a, false);
  const auto b = s.transpose_b ? transpose_of(s.n, s.k, s.ldb, s.stride_b, true)
                               : transpose_of(s.k, s.n, s.ldb, s.stride_b, false);
  return {b, a, transpose_of(s.m, s.n, s.ldc, s.stride_c, false), s.batch};
}

}  // namespace ripieno::kernels::cuda
