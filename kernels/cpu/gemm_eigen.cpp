#include "ripieno/kernels/cpu/eigen_multiply.h"

namespace ripieno::kernels::cpu {

void multiply(float* c, const float* a, const float* b, const Gemm& gemm) {
  multiply_by_eigen(c, a, b, gemm);
}

void multiply(double* c, const double* a, const double* b, const Gemm& gemm) {
  multiply_by_eigen(c, a, b, gemm);
}

}  // namespace ripieno::kernels::cpu
