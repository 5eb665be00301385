// Matrix products by cuBLASLt: its handles, its workspaces and its choice of algorithm, kept from
// call to call. Private to kernels/cuda.
#pragma once

#include <cublasLt.h>

#include <compare>

#include "ripieno/kernels/cuda/column_major.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels::cuda {

struct ProductTypes {
  cudaDataType_t elements = CUDA_R_32F;
  cublasComputeType_t sums = CUBLAS_COMPUTE_32F;
  cudaDataType_t scale = CUDA_R_32F;

  auto operator<=>(const ProductTypes&) const = default;
};

// result = left right, or result += left right where `accumulate`. No size is 0. Any thread may
// call. Throws CudaError.
void multiply(OnCuda on, void* result, const void* left, const void* right,
              const ColumnMajorProduct& product, const ProductTypes& types, bool accumulate);

}  // namespace ripieno::kernels::cuda
