// Device memory of the emulator. Only emulated kernels may access it: under AddressSanitizer,
// access by host code is reported.
#pragma once

#include <cstddef>

namespace ripieno::simt {

// At least one byte, filled with NaN.
void* allocate_device_memory(std::size_t bytes);
void free_device_memory(void* memory);
// to and from may be host or device memory.
void copy_device_memory(void* to, const void* from, std::size_t bytes);
// Whether `memory` is inside an allocation of device memory, and the size of that allocation.
bool is_device_memory(const void* memory);
std::size_t device_memory_size(const void* memory);

// While any object exists, host code may access device memory.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace ripieno::simt
