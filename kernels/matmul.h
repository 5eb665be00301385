// Matrix products: batched, transposed, accumulating, with fused bias and activation.
#pragma once

#include <cstdint>

#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// Shapes and strides of C = A B, all row-major. A is (m, k), or (k, m) if transpose_a; B is (k, n),
// or (n, k) if transpose_b; C is (m, n).
struct MatmulShape {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  int64_t lda = 0, ldb = 0, ldc = 0;  // elements from one stored row to the next
  int64_t batch = 1;
  int64_t stride_a = 0, stride_b = 0, stride_c = 0;  // elements from one matrix to the next
};

// c = a b, or c += a b if `accumulate`. Sums are in float (double for double). With k = 0, c is set
// to zero (unchanged if `accumulate`).   T: float, double, bfloat16, float16.
template <typename T>
void matmul(OnCpu, T* c, const T* a, const T* b, const MatmulShape& shape, bool accumulate);
template <typename T>
void matmul(OnCuda, T* c, const T* a, const T* b, const MatmulShape& shape, bool accumulate);

// The same with c in float (double for double) whatever T is, so that a sum of several products is
// not rounded in between.
template <typename T>
void matmul_to_float(OnCpu, accumulator_t<T>* c, const T* a, const T* b, const MatmulShape& shape,
                     bool accumulate);
template <typename T>
void matmul_to_float(OnCuda, accumulator_t<T>* c, const T* a, const T* b, const MatmulShape& shape,
                     bool accumulate);

// c = activation(a b + bias).   bias: (n), or null; before_activation: like c, receives a b + bias,
// or null.
template <typename T>
void matmul_bias_activation(OnCpu, T* c, T* before_activation, const T* a, const T* b,
                            const T* bias, const MatmulShape& shape, Activation activation);
template <typename T>
void matmul_bias_activation(OnCuda, T* c, T* before_activation, const T* a, const T* b,
                            const T* bias, const MatmulShape& shape, Activation activation);

}  // namespace ripieno::kernels
