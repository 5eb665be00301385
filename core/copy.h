// Moving bytes between host and devices.
#pragma once

#include <cstddef>

#include "ripieno/core/device.h"

namespace ripieno {

// Host to host returns when it is done; a copy from a device to the host waits for the device.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device,
                std::size_t bytes);
void zero_bytes(void* memory, Device device, std::size_t bytes);

// Waits until the device has done all that was enqueued. Nothing to wait for on the CPU.
void synchronize(Device device);

}  // namespace ripieno
