// Turns CUDA's status codes into exceptions that name the call. Private to kernels/cuda.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

namespace ripieno::kernels::cuda {

// Throws CudaError("<call>: <reason>") unless `status` is success, and clears the runtime's memory
// of it.
void check(cudaError_t status, std::string_view call);

}  // namespace ripieno::kernels::cuda
