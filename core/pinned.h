// Pinned memory: host memory that a GPU reads and writes beside the host's threads, for what goes
// back and forth in every step.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// Uninitialized and dense, on the CPU; pinned where `partner` is a GPU, from a pool. What was
// enqueued to read or write it must be done before it is let go.
Tensor pinned_tensor(const Shape& shape, DType dtype, Device partner);

// Copies between a dense tensor of a GPU and a pinned one of the same shape and type: enqueued on
// the GPU's current stream (stream.h); neither is changed until it has run. Where both are on the
// CPU it is done at once.
void enqueue_copy(const Tensor& to, const Tensor& from);

}  // namespace ripieno
