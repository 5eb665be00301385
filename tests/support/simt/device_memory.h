// Memory that only emulated kernels may touch: AddressSanitizer reports host code that does.
#pragma once

#include <cstddef>

namespace ripieno::simt {

// Filled with NaN. At least one byte.
void* allocate_device_memory(std::size_t bytes);
void free_device_memory(void* memory);
// Either side may be host or device memory.
void copy_device_memory(void* to, const void* from, std::size_t bytes);

// Opens all device memory for as long as it lives.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace ripieno::simt
