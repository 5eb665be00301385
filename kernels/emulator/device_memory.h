// Memory that only emulated kernels may touch: AddressSanitizer reports host code that does.
#pragma once

#include <cstddef>

namespace ripieno::simt {

// Filled with NaN. At least one byte.
void* allocate_device_memory(std::size_t bytes);
void free_device_memory(void* memory);
// Either side may be host or device memory.
void copy_device_memory(void* to, const void* from, std::size_t bytes);
// Whether it lies in device memory that is allocated, and how long that is.
bool is_device_memory(const void* memory);
std::size_t device_memory_size(const void* memory);

// Opens all device memory for as long as any lives.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace ripieno::simt
