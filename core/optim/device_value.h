// Copies of plain structs in device memory, for the scalars and tables that optimizer kernels read.
// Not installed.
#pragma once

#include <cstddef>
#include <vector>

#include "ripieno/core/device/copy.h"
#include "ripieno/core/tensor.h"

namespace ripieno::optim {

// The bytes of `values` as a uint8 tensor on `device`.
template <typename T>
Tensor on_device(Device device, const std::vector<T>& values) {
  const std::size_t bytes = values.size() * sizeof(T);
  Tensor result({static_cast<int64_t>(bytes)}, DType::uint8, device);
  copy_bytes(result.raw_data(), device, values.data(), Device::cpu(), bytes);
  return result;
}

template <typename T>
Tensor on_device(Device device, const T& value) {
  Tensor result({sizeof(T)}, DType::uint8, device);
  copy_bytes(result.raw_data(), device, &value, Device::cpu(), sizeof(T));
  return result;
}

// The T whose bytes the tensor holds. Waits for the device.
template <typename T>
T on_host(const Tensor& bytes) {
  const Tensor host = bytes.to(Device::cpu());
  return *static_cast<const T*>(host.raw_data());
}

}  // namespace ripieno::optim
