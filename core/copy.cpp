#include "ripieno/core/copy.h"

#include <cstring>

#include "ripieno/kernels/cuda/runtime.h"

namespace ripieno {

void copy_bytes(void* to, Device to_device, const void* from, Device from_device,
                std::size_t bytes) {
  if (bytes == 0) return;
  if (!to_device.is_cuda() && !from_device.is_cuda()) {
    std::memcpy(to, from, bytes);
    return;
  }
  // Whichever thread it is.
  kernels::cuda::set_device(to_device.is_cuda() ? to_device.index : from_device.index);
  kernels::cuda::copy(to, from, bytes, nullptr);
  if (!to_device.is_cuda()) kernels::cuda::synchronize(nullptr);
}

void zero_bytes(void* memory, Device device, std::size_t bytes) {
  if (bytes == 0) return;
  if (device.is_cuda()) {
    kernels::cuda::zero(memory, bytes, nullptr);
  } else {
    std::memset(memory, 0, bytes);
  }
}

void synchronize(Device device) {
  if (device.is_cuda()) kernels::cuda::synchronize(nullptr);
}

}  // namespace ripieno
