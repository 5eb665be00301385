// Moving bytes between host and devices.
#pragma once

#include <cstddef>

#include "ripieno/core/device/device.h"

namespace ripieno {

// On the current stream of the device (stream.h). Returns when it is done, but to a device when it
// is enqueued: host memory may then change at once, unless it is pinned.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device,
                std::size_t bytes);
void zero_bytes(void* memory, Device device, std::size_t bytes);

// Waits until all is done that the device's current stream was given. Nothing to wait for on the
// CPU.
void synchronize(Device device);

}  // namespace ripieno
