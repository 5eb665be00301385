// A matrix product by Eigen, on one thread.
#pragma once

// GCC 12's own AVX-512 header sets it off, at the end of the file that uses this one.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Core>

#include "ripieno/kernels/cpu/gemm.h"

namespace ripieno::kernels::cpu {

template <typename T>
void multiply_by_eigen(T* c, const T* a, const T* b, const Gemm& gemm) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Stride = Eigen::OuterStride<>;
  using In = Eigen::Map<const Matrix, 0, Stride>;
  const In left(a, gemm.transpose_a ? gemm.k : gemm.m, gemm.transpose_a ? gemm.m : gemm.k,
                Stride(gemm.lda));
  const In right(b, gemm.transpose_b ? gemm.n : gemm.k, gemm.transpose_b ? gemm.k : gemm.n,
                 Stride(gemm.ldb));
  Eigen::Map<Matrix, 0, Stride> out(c, gemm.m, gemm.n, Stride(gemm.ldc));
  if (!gemm.accumulate) out.setZero();
  if (gemm.transpose_a && gemm.transpose_b) {
    out.noalias() += left.transpose() * right.transpose();
  } else if (gemm.transpose_a) {
    out.noalias() += left.transpose() * right;
  } else if (gemm.transpose_b) {
    out.noalias() += left * right.transpose();
  } else {
    out.noalias() += left * right;
  }
}

}  // namespace ripieno::kernels::cpu
