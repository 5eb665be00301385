// Pinned host memory, which a GPU copies to and from asynchronously: for data that is transferred
// in every step.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// An uninitialized, dense tensor on the CPU. Its memory is pinned, and comes from a pool, if
// `partner` is a GPU. All enqueued work that reads or writes it must be done before the tensor is
// destroyed.
Tensor pinned_tensor(const Shape& shape, DType dtype, Device partner);

// Copies between a dense tensor on a GPU and a pinned one. The copy is enqueued on the GPU's
// current stream (stream.h), and neither tensor may be changed until it is done; if both are on the
// CPU, it is done at once. Throws Error unless both are dense and have the same shape and element
// type.
void enqueue_copy(const Tensor& to, const Tensor& from);

}  // namespace ripieno
