#include "ripieno/kernels/matmul.h"

#include <algorithm>
#include <type_traits>

#include "ripieno/kernels/cpu/gemm/gemm.h"
#include "ripieno/kernels/cpu/gemm/gemm_bfloat16.h"
#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/scratch.h"
#include "ripieno/kernels/cpu_bfloat16.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

namespace {

cpu::Gemm gemm_of(const MatmulShape& shape, bool accumulate) {
  return {.m = shape.m,
          .n = shape.n,
          .k = shape.k,
          .transpose_a = shape.transpose_a,
          .transpose_b = shape.transpose_b,
          .lda = shape.lda,
          .ldb = shape.ldb,
          .ldc = shape.ldc,
          .accumulate = accumulate};
}

// Whether a product of bfloat16 is computed by the processor's instructions for it.
bool multiplies_bfloat16(const MatmulShape& shape) {
  return uses_bfloat16_instructions() && shape.m > 0 && shape.n > 0 && shape.k > 0;
}

// c = a b, or c += a b if `accumulate`. Calls finish(tile) for each tile of c when it is complete.
template <typename A, typename Finish>
void multiply_one(A* c, const A* a, const A* b, const MatmulShape& shape, bool accumulate,
                  const Finish& finish) {
  if (shape.m == 0 || shape.n == 0) return;
  if (shape.k == 0) {
    for (int64_t r = 0; r < shape.m && !accumulate; ++r) {
      std::fill_n(c + r * shape.ldc, shape.n, A(0));
    }
    finish(cpu::Tile{0, shape.m, 0, shape.n});
    return;
  }
  cpu::multiply_by_team(c, a, b, gemm_of(shape, accumulate), finish);
}

// A contiguous float copy of a matrix that is stored as (rows, cols).
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

// A matrix stored as (rows, cols) in the accumulator type: itself, or a contiguous copy, whose
// stride is written to `stride`.
template <typename T>
const accumulator_t<T>* in_float(cpu::Scratch use, const T* matrix, int64_t rows, int64_t cols,
                                 int64_t& stride) {
  if constexpr (std::is_same_v<T, accumulator_t<T>>) {
    return matrix;
  } else {
    const float* copy = widened(use, matrix, rows, cols, stride);
    stride = cols;
    return copy;
  }
}

// Multiplies one matrix of the batch, directly if T is the accumulator type or the processor
// multiplies T, and in float copies otherwise. Calls finish(tile, product, product_stride) for each
// complete tile; `product` points to the first element of the tile.
template <typename T, typename Finish>
void multiply_then(T* c, const T* a, const T* b, const MatmulShape& shape, bool accumulate,
                   const Finish& finish) {
  if constexpr (std::is_same_v<T, accumulator_t<T>>) {
    multiply_one(c, a, b, shape, accumulate, [&](const cpu::Tile& tile) {
      finish(tile, c + tile.row * shape.ldc + tile.col, shape.ldc);
    });
  } else {
    if constexpr (std::is_same_v<T, bfloat16>) {
      if (multiplies_bfloat16(shape)) {
        return cpu::multiply_bfloat16_then(a, b, gemm_of(shape, false), finish);
      }
    }
    MatmulShape dense = shape;
    dense.lda = shape.transpose_a ? shape.m : shape.k;
    dense.ldb = shape.transpose_b ? shape.k : shape.n;
    dense.ldc = shape.n;
    const float* left = widened(cpu::Scratch::kLeft, a, shape.transpose_a ? shape.k : shape.m,
                                dense.lda, shape.lda);
    const float* right = widened(cpu::Scratch::kRight, b, shape.transpose_b ? shape.n : shape.k,
                                 dense.ldb, shape.ldb);
    float* product = cpu::scratch<float>(cpu::Scratch::kOut, shape.m * shape.n);
    multiply_one(product, left, right, dense, false, [&](const cpu::Tile& tile) {
      finish(tile, product + tile.row * dense.ldc + tile.col, dense.ldc);
    });
  }
}

// Calls body(matrix) for each matrix of a batch. Small ones run in parallel, one thread each; large
// ones run one after the other, each on the whole team.
template <typename Body>
void for_each_matrix(const MatmulShape& shape, const Body& body) {
  constexpr int64_t kLarge = int64_t{1} << 21;
  const int64_t work = shape.m * shape.n * shape.k;
  if (shape.batch > 1 && work < kLarge) {
    cpu::parallel_for(shape.batch, work / 32, [&](int64_t matrix) { body(matrix); });
  } else {
    for (int64_t matrix = 0; matrix < shape.batch; ++matrix) body(matrix);
  }
}

// c = product, or c += product, where c is narrower than the accumulator type.
template <typename T>
void narrow_row(T* c, const float* product, int64_t cols, bool accumulate) {
#pragma omp simd
  for (int64_t i = 0; i < cols; ++i) {
    c[i] = cpu::convert<T>(accumulate ? static_cast<float>(c[i]) + product[i] : product[i]);
  }
}

// c = formula(product + bias).   product may alias c; bias and before may be null.
template <typename T, typename Formula>
void finish_row(T* c, T* before, const accumulator_t<T>* product, const T* bias, int64_t cols,
                Formula formula) {
  using A = accumulator_t<T>;
#pragma omp simd
  for (int64_t i = 0; i < cols; ++i) {
    const A x = bias ? product[i] + A(bias[i]) : product[i];
    if (before) before[i] = cpu::convert<T>(x);
    c[i] = cpu::convert<T>(formula.value(x));
  }
}

}  // namespace

template <typename T>
void matmul(OnCpu, T* c, const T* a, const T* b, const MatmulShape& shape, bool accumulate) {
  for_each_matrix(shape, [&](int64_t matrix) {
    T* out = c + matrix * shape.stride_c;
    const auto finish = [&](const cpu::Tile& tile, const accumulator_t<T>* product,
                            int64_t stride) {
      if constexpr (!std::is_same_v<T, accumulator_t<T>>) {
        for (int64_t r = 0; r < tile.rows; ++r) {
          T* row = out + (tile.row + r) * shape.ldc + tile.col;
          narrow_row(row, product + r * stride, tile.cols, accumulate);
        }
      }
    };
    multiply_then(out, a + matrix * shape.stride_a, b + matrix * shape.stride_b, shape, accumulate,
                  finish);
  });
}

template <typename T>
void matmul_to_float(OnCpu, accumulator_t<T>* c, const T* a, const T* b, const MatmulShape& shape,
                     bool accumulate) {
  for_each_matrix(shape, [&](int64_t matrix) {
    if constexpr (std::is_same_v<T, bfloat16>) {
      if (multiplies_bfloat16(shape)) {
        return cpu::multiply_bfloat16_by_team(
            c + matrix * shape.stride_c, a + matrix * shape.stride_a, b + matrix * shape.stride_b,
            gemm_of(shape, accumulate));
      }
    }
    MatmulShape dense = shape;
    const auto* left = in_float(cpu::Scratch::kLeft, a + matrix * shape.stride_a,
                                shape.transpose_a ? shape.k : shape.m,
                                shape.transpose_a ? shape.m : shape.k, dense.lda);
    const auto* right = in_float(cpu::Scratch::kRight, b + matrix * shape.stride_b,
                                 shape.transpose_b ? shape.n : shape.k,
                                 shape.transpose_b ? shape.k : shape.n, dense.ldb);
    multiply_one(c + matrix * shape.stride_c, left, right, dense, accumulate,
                 [](const cpu::Tile&) {});
  });
}

template <typename T>
void matmul_bias_activation(OnCpu, T* c, T* before_activation, const T* a, const T* b,
                            const T* bias, const MatmulShape& shape, Activation activation) {
  formulas::with_activation<cpu::Math>(activation, [&](auto formula) {
    for_each_matrix(shape, [&](int64_t matrix) {
      const int64_t begin = matrix * shape.stride_c;
      const auto finish = [&](const cpu::Tile& tile, const accumulator_t<T>* product,
                              int64_t stride) {
        for (int64_t r = 0; r < tile.rows; ++r) {
          const int64_t at = begin + (tile.row + r) * shape.ldc + tile.col;
          finish_row(c + at, before_activation ? before_activation + at : nullptr,
                     product + r * stride, bias ? bias + tile.col : nullptr, tile.cols, formula);
        }
      };
      multiply_then(c + begin, a + matrix * shape.stride_a, b + matrix * shape.stride_b, shape,
                    false, finish);
    });
  });
}

template void matmul(OnCpu, float*, const float*, const float*, const MatmulShape&, bool);
template void matmul(OnCpu, double*, const double*, const double*, const MatmulShape&, bool);
template void matmul(OnCpu, bfloat16*, const bfloat16*, const bfloat16*, const MatmulShape&, bool);
template void matmul(OnCpu, float16*, const float16*, const float16*, const MatmulShape&, bool);

template void matmul_to_float(OnCpu, float*, const float*, const float*, const MatmulShape&, bool);
template void matmul_to_float(OnCpu, double*, const double*, const double*, const MatmulShape&,
                              bool);
template void matmul_to_float(OnCpu, float*, const bfloat16*, const bfloat16*, const MatmulShape&,
                              bool);
template void matmul_to_float(OnCpu, float*, const float16*, const float16*, const MatmulShape&,
                              bool);

template void matmul_bias_activation(OnCpu, float*, float*, const float*, const float*,
                                     const float*, const MatmulShape&, Activation);
template void matmul_bias_activation(OnCpu, double*, double*, const double*, const double*,
                                     const double*, const MatmulShape&, Activation);
template void matmul_bias_activation(OnCpu, bfloat16*, bfloat16*, const bfloat16*, const bfloat16*,
                                     const bfloat16*, const MatmulShape&, Activation);
template void matmul_bias_activation(OnCpu, float16*, float16*, const float16*, const float16*,
                                     const float16*, const MatmulShape&, Activation);

}  // namespace ripieno::kernels
