#include <dnnl.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "ripieno/kernels/cpu/eigen_multiply.h"

namespace ripieno::kernels::cpu {

namespace {

// Keeps oneDNN on the calling thread: the caller splits the work, at places that do not depend on
// the threads.
class OnOneThread {
 public:
#ifdef _OPENMP
  OnOneThread() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OnOneThread() { omp_set_num_threads(threads_); }

 private:
  int threads_;
#endif
};

}  // namespace

void multiply(float* c, const float* a, const float* b, const Gemm& gemm) {
  const OnOneThread one_thread;
  dnnl_sgemm(gemm.transpose_a ? 'T' : 'N', gemm.transpose_b ? 'T' : 'N', gemm.m, gemm.n, gemm.k,
             1.0f, a, gemm.lda, b, gemm.ldb, gemm.accumulate ? 1.0f : 0.0f, c, gemm.ldc);
}

void multiply(double* c, const double* a, const double* b, const Gemm& gemm) {
  multiply_by_eigen(c, a, b, gemm);
}

}  // namespace ripieno::kernels::cpu
