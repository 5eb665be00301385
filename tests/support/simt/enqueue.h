// enqueue(): how launches, and what stands in for libraries, give work to the emulated GPU.
#pragma once

#include <functional>

#include "support/simt/cuda_runtime_api.h"

namespace ripieno::simt {

// Runs `work`, which may touch device memory, when the stream comes to it. `name` is what calls()
// counts it as.
cudaError_t enqueue(const char* name, cudaStream_t stream, std::function<void()> work);

}  // namespace ripieno::simt
