// One matrix product on the calling thread: what matmul and attention are made of.
#pragma once

#include <cstdint>

namespace ripieno::kernels::cpu {

// Row-major, as in MatmulShape.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  int64_t lda = 0, ldb = 0, ldc = 0;
  bool accumulate = false;
};

// c = a b, or c += a b where gemm.accumulate. m, n and k are at least 1.
void multiply(float* c, const float* a, const float* b, const Gemm& gemm);
void multiply(double* c, const double* a, const double* b, const Gemm& gemm);

}  // namespace ripieno::kernels::cpu
