// Matrix products: batched, transposed, accumulating, with bias and activation.
#pragma once

#include <cstdint>

#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// Row-major. A is (m, k), or (k, m) read transposed; B is (k, n), or (n, k) read transposed; C is
// (m, n).
struct MatmulShape {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  int64_t lda = 0, ldb = 0, ldc = 0;  // elements from one stored row to the next
  int64_t batch = 1;
  int64_t stride_a = 0, stride_b = 0, stride_c = 0;  // elements from one matrix to the next
};

// c = a b, or c += a b where `accumulate`. Sums in float (double for double).
// k = 0 gives zeros (or leaves c as it is). T: float, double, bfloat16, float16.
template <typename T>
void matmul(OnCpu, T* c, const T* a, const T* b, const MatmulShape& shape, bool accumulate);
template <typename T>
void matmul(OnCuda, T* c, const T* a, const T* b, const MatmulShape& shape, bool accumulate);

// The same with c in float (double for double), whatever a and b keep: a sum of many products
// loses nothing between them.
template <typename T>
void matmul_to_float(OnCpu, accumulator_t<T>* c, const T* a, const T* b, const MatmulShape& shape,
                     bool accumulate);
template <typename T>
void matmul_to_float(OnCuda, accumulator_t<T>* c, const T* a, const T* b, const MatmulShape& shape,
                     bool accumulate);

// c = activation(a b + bias).   bias: (n) or null; before_activation: like c, or null where it is
// not wanted.
template <typename T>
void matmul_bias_activation(OnCpu, T* c, T* before_activation, const T* a, const T* b,
                            const T* bias, const MatmulShape& shape, Activation activation);
template <typename T>
void matmul_bias_activation(OnCuda, T* c, T* before_activation, const T* a, const T* b,
                            const T* bias, const MatmulShape& shape, Activation activation);

}  // namespace ripieno::kernels
