#include "ripieno/kernels/cuda/runtime.h"

#include <cuda_runtime_api.h>

#include "ripieno/kernels/cuda/check.h"

namespace ripieno::kernels::cuda {
namespace {

// "0: NVIDIA H100 80GB HBM3, compute capability 9.0, 79 GiB"
std::string describe_device(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return std::to_string(device) + ": " + properties.name + ", compute capability " +
         std::to_string(properties.major) + "." + std::to_string(properties.minor) + ", " +
         std::to_string(properties.totalGlobalMem >> 30) + " GiB";
}

std::string why_none(cudaError_t status) {
  if (status == cudaErrorInsufficientDriver) return "no CUDA driver, or one too old for this build";
  if (status == cudaErrorNoDevice || status == cudaSuccess) return "no GPU";
  return std::string("no usable GPU: ") + cudaGetErrorString(status);
}

}  // namespace

void check(cudaError_t status, std::string_view call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // else the next call would report this failure again
  throw CudaError(std::string(call) + ": " + cudaGetErrorString(status));
}

int device_count() {
  int count = 0;  // without a driver the call leaves it untouched
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) cudaGetLastError();
  return status == cudaSuccess ? count : 0;
}

std::string describe() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) cudaGetLastError();
  if (status != cudaSuccess || count == 0) return why_none(status);
  std::string devices = describe_device(0);
  for (int device = 1; device < count; ++device) devices += "; " + describe_device(device);
  return devices;
}

void set_device(int device) {
  const cudaError_t status = cudaSetDevice(device);
  if (status != cudaSuccess) check(status, "cudaSetDevice(" + std::to_string(device) + ")");
}

void* allocate(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status != cudaSuccess) check(status, "cudaMalloc of " + std::to_string(bytes) + " bytes");
  return memory;
}

void deallocate(void* memory) noexcept {
  if (memory && cudaFree(memory) != cudaSuccess) cudaGetLastError();
}

void copy(void* to, const void* from, std::size_t bytes, CUstream_st* stream) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
}

void zero(void* memory, std::size_t bytes, CUstream_st* stream) {
  check(cudaMemsetAsync(memory, 0, bytes, stream), "cudaMemsetAsync");
}

void synchronize(CUstream_st* stream) {
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

}  // namespace ripieno::kernels::cuda
