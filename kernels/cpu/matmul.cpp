#include "ripieno/kernels/matmul.h"

#include <algorithm>
#include <type_traits>

#include "ripieno/kernels/cpu/activation_functions.h"
#include "ripieno/kernels/cpu/gemm.h"
#include "ripieno/kernels/cpu/parallel.h"
#include "ripieno/kernels/cpu/scratch.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

namespace {

// What one thread computes at a time. Their sizes are fixed, so that no result depends on the
// threads.
constexpr int64_t kTileRows = 128;
constexpr int64_t kTileCols = 1024;

struct Tile {
  int64_t row, rows, col, cols;
};

// Calls body(matrix, tile) for each tile of each matrix of the batch.
template <typename Body>
void for_each_tile(const MatmulShape& shape, const Body& body) {
  const int64_t down = (shape.m + kTileRows - 1) / kTileRows;
  const int64_t across = (shape.n + kTileCols - 1) / kTileCols;
  const int64_t work = std::min(shape.m, kTileRows) * std::min(shape.n, kTileCols) * shape.k / 16;
  cpu::parallel_for(shape.batch * down * across, work, [&](int64_t item) {
    const int64_t row = item / across % down * kTileRows, col = item % across * kTileCols;
    body(item / (across * down),
         Tile{row, std::min(kTileRows, shape.m - row), col, std::min(kTileCols, shape.n - col)});
  });
}

// One tile of c from the whole matrices.
template <typename A>
void multiply_tile(A* c, const A* a, const A* b, const MatmulShape& shape, const Tile& tile,
                   bool accumulate) {
  A* out = c + tile.row * shape.ldc + tile.col;
  if (shape.k == 0) {
    for (int64_t r = 0; r < tile.rows && !accumulate; ++r) {
      std::fill_n(out + r * shape.ldc, tile.cols, A(0));
    }
    return;
  }
  const A* left = a + tile.row * (shape.transpose_a ? 1 : shape.lda);
  const A* right = b + tile.col * (shape.transpose_b ? shape.ldb : 1);
  cpu::multiply(out, left, right,
                {.m = tile.rows,
                 .n = tile.cols,
                 .k = shape.k,
                 .transpose_a = shape.transpose_a,
                 .transpose_b = shape.transpose_b,
                 .lda = shape.lda,
                 .ldb = shape.ldb,
                 .ldc = shape.ldc,
                 .accumulate = accumulate});
}

// A dense float copy of the stored (rows, cols) of a matrix.
template <typename T>
const float* widened(cpu::Scratch use, const T* matrix, int64_t rows, int64_t cols,
                     int64_t stride) {
  float* out = cpu::scratch<float>(use, rows * cols);
  cpu::for_each_row(rows, cols, [&](int64_t r) {
#pragma omp simd
    for (int64_t c = 0; c < cols; ++c) {
      out[r * cols + c] = static_cast<float>(matrix[r * stride + c]);
    }
  });
  return out;
}

// Products in a's and b's own type where that is what sums are kept in, else in float copies.
// Calls finish(matrix, tile, product, product_stride), product being tile's first element.
template <typename T, typename Finish>
void multiply_then(T* c, const T* a, const T* b, const MatmulShape& shape, bool accumulate,
                   const Finish& finish) {
  if constexpr (std::is_same_v<T, accumulator_t<T>>) {
    for_each_tile(shape, [&](int64_t matrix, const Tile& tile) {
      T* out = c + matrix * shape.stride_c;
      multiply_tile(out, a + matrix * shape.stride_a, b + matrix * shape.stride_b, shape, tile,
                    accumulate);
      finish(matrix, tile, out + tile.row * shape.ldc + tile.col, shape.ldc);
    });
  } else {
    MatmulShape dense = shape;
    dense.batch = 1;
    dense.lda = shape.transpose_a ? shape.m : shape.k;
    dense.ldb = shape.transpose_b ? shape.k : shape.n;
    dense.ldc = shape.n;
    for (int64_t matrix = 0; matrix < shape.batch; ++matrix) {
      const float* left = widened(cpu::Scratch::kLeft, a + matrix * shape.stride_a,
                                  shape.transpose_a ? shape.k : shape.m, dense.lda, shape.lda);
      const float* right = widened(cpu::Scratch::kRight, b + matrix * shape.stride_b,
                                   shape.transpose_b ? shape.n : shape.k, dense.ldb, shape.ldb);
      float* product = cpu::scratch<float>(cpu::Scratch::kOut, shape.m * shape.n);
      for_each_tile(dense, [&](int64_t, const Tile& tile) {
        multiply_tile(product, left, right, dense, tile, false);
        finish(matrix, tile, product + tile.row * dense.ldc + tile.col, dense.ldc);
      });
    }
  }
}

}  // namespace

template <typename T>
void matmul(OnCpu, T* c, const T* a, const T* b, const MatmulShape& shape, bool accumulate) {
  using A = accumulator_t<T>;
  multiply_then(c, a, b, shape, accumulate,
                [&](int64_t matrix, const Tile& tile, const A* product, int64_t stride) {
                  if constexpr (!std::is_same_v<T, A>) {
                    for (int64_t r = 0; r < tile.rows; ++r) {
                      T* out = c + matrix * shape.stride_c + (tile.row + r) * shape.ldc + tile.col;
                      const A* in = product + r * stride;
                      for (int64_t i = 0; i < tile.cols; ++i)
                        out[i] = T(accumulate ? A(out[i]) + in[i] : in[i]);
                    }
                  }
                });
}

template <typename T>
void matmul_bias_activation(OnCpu, T* c, T* before_activation, const T* a, const T* b,
                            const T* bias, const MatmulShape& shape, Activation activation) {
  using A = accumulator_t<T>;
  cpu::with_activation(activation, [&](auto function) {
    multiply_then(c, a, b, shape, false,
                  [&](int64_t matrix, const Tile& tile, const A* product, int64_t stride) {
                    for (int64_t r = 0; r < tile.rows; ++r) {
                      const int64_t at =
                          matrix * shape.stride_c + (tile.row + r) * shape.ldc + tile.col;
                      const A* in = product + r * stride;
                      const T* shift = bias ? bias + tile.col : nullptr;
                      T* before = before_activation ? before_activation + at : nullptr;
#pragma omp simd
                      for (int64_t i = 0; i < tile.cols; ++i) {
                        const A x = shift ? in[i] + A(shift[i]) : in[i];
                        if (before) before[i] = T(x);
                        c[at + i] = T(function.value(x));
                      }
                    }
                  });
  });
}

template void matmul(OnCpu, float*, const float*, const float*, const MatmulShape&, bool);
template void matmul(OnCpu, double*, const double*, const double*, const MatmulShape&, bool);
template void matmul(OnCpu, bfloat16*, const bfloat16*, const bfloat16*, const MatmulShape&, bool);
template void matmul(OnCpu, float16*, const float16*, const float16*, const MatmulShape&, bool);

template void matmul_bias_activation(OnCpu, float*, float*, const float*, const float*,
                                     const float*, const MatmulShape&, Activation);
template void matmul_bias_activation(OnCpu, double*, double*, const double*, const double*,
                                     const double*, const MatmulShape&, Activation);
template void matmul_bias_activation(OnCpu, bfloat16*, bfloat16*, const bfloat16*, const bfloat16*,
                                     const bfloat16*, const MatmulShape&, Activation);
template void matmul_bias_activation(OnCpu, float16*, float16*, const float16*, const float16*,
                                     const float16*, const MatmulShape&, Activation);

}  // namespace ripieno::kernels
