// Copies of plain memory between the host and devices.
#pragma once

#include <cstddef>

#include "ripieno/core/device/device.h"

namespace ripieno {

// Copies on the current stream (stream.h) of the device that is a GPU. A copy to or from the host
// returns when it is done, which waits for all earlier work on the stream; any other returns when
// it is enqueued. Steps that must not wait use enqueue_copy() (pinned.h).
void copy_bytes(void* to, Device to_device, const void* from, Device from_device,
                std::size_t bytes);
// Sets memory to zero on the device's current stream; returns when that is enqueued.
void zero_bytes(void* memory, Device device, std::size_t bytes);

// Waits until all work on the device's current stream is done. Returns at once for the CPU.
void synchronize(Device device);

}  // namespace ripieno
