// DeviceSnapshot: a copy of tensors on their GPU, which is read while the tensors change.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

struct DeviceSnapshot {
  Tensor memory;  // (bytes) uint8, in the pool of the stream on which the copy was made
  std::vector<std::size_t> offsets;  // of each tensor, in bytes

  const void* data(std::size_t tensor) const;
};

// Enqueues a copy of dense tensors on `stream` of their GPU; the tensors must remain valid until it
// is done. Tensors that are neighbors in an arena are copied at once, so the copy of a model is a
// few operations.
//
// Takes the memory of all tensors, rounded up by at most a quarter. Nothing is copied, and the
// result is empty, if less than a twentieth of the GPU's memory would be left for what the program
// allocates later.
std::optional<DeviceSnapshot> snapshot(const std::vector<Tensor>& tensors, const Stream& stream);

}  // namespace ripieno
