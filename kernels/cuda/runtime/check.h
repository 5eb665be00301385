// Converts CUDA status codes to exceptions that name the call. Private to kernels/cuda.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

namespace ripieno::kernels::cuda {

// Throws CudaError("<call>: <reason>"), or OutOfMemory, unless `status` is success. Also clears the
// error state of the runtime.
void check(cudaError_t status, std::string_view call);

}  // namespace ripieno::kernels::cuda
