#include "ripieno/core/device/copy.h"

#include <cstring>

#include "ripieno/core/device/stream.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno {
namespace {

void copy_between_gpus(void* to, const Stream& to_stream, const void* from,
                       const Stream& from_stream, std::size_t bytes) {
  to_stream.wait(from_stream);
  kernels::cuda::copy(to, from, bytes, to_stream.handle());
  from_stream.wait(to_stream);  // before later work changes the source
}

}  // namespace

void copy_bytes(void* to, Device to_device, const void* from, Device from_device,
                std::size_t bytes) {
  if (bytes == 0) return;
  if (!to_device.is_cuda() && !from_device.is_cuda()) {
    std::memcpy(to, from, bytes);
    return;
  }
  if (to_device.is_cuda() && from_device.is_cuda() && !(to_device == from_device)) {
    return copy_between_gpus(to, current_stream(to_device), from, current_stream(from_device),
                             bytes);
  }
  const Stream& stream = current_stream(to_device.is_cuda() ? to_device : from_device);
  kernels::cuda::copy(to, from, bytes, stream.handle());
  // Also if the source is on the host: CUDA may still read it after the call has returned.
  if (!to_device.is_cuda() || !from_device.is_cuda()) stream.synchronize();
}

void zero_bytes(void* memory, Device device, std::size_t bytes) {
  if (bytes == 0) return;
  if (device.is_cuda()) {
    kernels::cuda::zero(memory, bytes, current_stream(device).handle());
  } else {
    std::memset(memory, 0, bytes);
  }
}

void synchronize(Device device) { current_stream(device).synchronize(); }

}  // namespace ripieno
