#include "ripieno/kernels/cuda/products/column_major.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "ripieno/kernels/matmul.h"

namespace ripieno::testing {
namespace {

using kernels::MatmulShape;
using kernels::cuda::ColumnMajorMatrix;
using kernels::cuda::ColumnMajorProduct;

// An element of the operand in the column-major convention.
int64_t offset_of(const ColumnMajorMatrix& matrix, int64_t batch, int64_t row, int64_t col) {
  if (matrix.transposed) std::swap(row, col);
  return batch * matrix.stride + col * matrix.leading + row;
}

// cuBLASLt's product, as documented.
void multiply(std::vector<int64_t>& result, const std::vector<int64_t>& left,
              const std::vector<int64_t>& right, const ColumnMajorProduct& p) {
  const int64_t inner = p.left.transposed ? p.left.rows : p.left.cols;
  for (int64_t batch = 0; batch < p.batch; ++batch) {
    for (int64_t row = 0; row < p.result.rows; ++row) {
      for (int64_t col = 0; col < p.result.cols; ++col) {
        int64_t sum = 0;
        for (int64_t i = 0; i < inner; ++i) {
          sum += left[offset_of(p.left, batch, row, i)] * right[offset_of(p.right, batch, i, col)];
        }
        result[offset_of(p.result, batch, row, col)] = sum;
      }
    }
  }
}

std::vector<int64_t> row_major_product(const std::vector<int64_t>& a, const std::vector<int64_t>& b,
                                       const MatmulShape& s, int64_t size) {
  std::vector<int64_t> c(size, -1);
  for (int64_t batch = 0; batch < s.batch; ++batch) {
    for (int64_t m = 0; m < s.m; ++m) {
      for (int64_t n = 0; n < s.n; ++n) {
        int64_t sum = 0;
        for (int64_t k = 0; k < s.k; ++k) {
          const int64_t left = s.transpose_a ? k * s.lda + m : m * s.lda + k;
          const int64_t right = s.transpose_b ? n * s.ldb + k : k * s.ldb + n;
          sum += a[batch * s.stride_a + left] * b[batch * s.stride_b + right];
        }
        c[batch * s.stride_c + m * s.ldc + n] = sum;
      }
    }
  }
  return c;
}

std::vector<int64_t> some_integers(int64_t size, int64_t seed) {
  std::vector<int64_t> values(size);
  for (int64_t i = 0; i < size; ++i) values[i] = (i * 7919 + seed) % 101 - 50;
  return values;
}

TEST(ColumnMajor, TheLibraryProductIsTheRowMajorProduct) {
  const auto a = some_integers(400, 1), b = some_integers(400, 2);
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      const MatmulShape shape{.m = 3,
                              .n = 4,
                              .k = 5,
                              .transpose_a = transpose_a,
                              .transpose_b = transpose_b,
                              .lda = 7,
                              .ldb = 9,
                              .ldc = 6,
                              .batch = 2,
                              .stride_a = 50,
                              .stride_b = 0,
                              .stride_c = 30};
      std::vector<int64_t> c(60, -1);
      multiply(c, b, a, kernels::cuda::column_major(shape));
      EXPECT_EQ(c, row_major_product(a, b, shape, 60));
    }
  }
}

// cuBLASLt rejects a leading dimension smaller than the number of rows, even for a single column.
TEST(ColumnMajor, ASingleRowRequiresNoStride) {
  const auto product = kernels::cuda::column_major({.m = 1, .n = 8, .k = 4, .lda = 0, .ldb = 8});
  EXPECT_EQ(product.right.leading, 4);
  EXPECT_EQ(product.result.leading, 8);
}

}  // namespace
}  // namespace ripieno::testing
