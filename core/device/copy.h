// Copies of plain memory between the host and devices.
#pragma once

#include <cstddef>

#include "ripieno/core/device/device.h"

namespace ripieno {

// Copies on the current stream (stream.h) of the device that is a GPU. A copy to the host returns
// when it is done, any other when it is enqueued. Host memory that was copied to a GPU may be
// changed at once, unless it is pinned.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device,
                std::size_t bytes);
// Sets memory to zero on the device's current stream; returns when that is enqueued.
void zero_bytes(void* memory, Device device, std::size_t bytes);

// Waits until all work on the device's current stream is done. Returns at once for the CPU.
void synchronize(Device device);

}  // namespace ripieno
