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
  thread_local int chosen = -1;  // by this thread: every operation chooses
  if (device == chosen) return;
  const cudaError_t status = cudaSetDevice(device);
  chosen = status == cudaSuccess ? device : -1;
  if (status != cudaSuccess) check(status, "cudaSetDevice(" + std::to_string(device) + ")");
}

void* allocate(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status != cudaSuccess) check(status, "cudaMalloc of " + std::to_string(bytes) + " bytes");
  return memory;
}

void deallocate(void* memory) noexcept {
  if (memory == nullptr) return;
  if (cudaDeviceSynchronize() != cudaSuccess || cudaFree(memory) != cudaSuccess) cudaGetLastError();
}

void* allocate_pinned(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaHostAlloc(&memory, bytes, cudaHostAllocPortable);
  if (status != cudaSuccess) check(status, "cudaHostAlloc of " + std::to_string(bytes) + " bytes");
  return memory;
}

void deallocate_pinned(void* memory) noexcept {
  if (memory == nullptr) return;
  if (cudaDeviceSynchronize() != cudaSuccess || cudaFreeHost(memory) != cudaSuccess) {
    cudaGetLastError();
  }
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

CUstream_st* create_stream() {
  CUstream_st* stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return stream;
}

void destroy_stream(CUstream_st* stream) noexcept {
  if (cudaStreamDestroy(stream) != cudaSuccess) cudaGetLastError();
}

CUevent_st* create_event(bool timed) {
  CUevent_st* event = nullptr;
  check(cudaEventCreateWithFlags(&event, timed ? cudaEventDefault : cudaEventDisableTiming),
        "cudaEventCreateWithFlags");
  return event;
}

void destroy_event(CUevent_st* event) noexcept {
  if (cudaEventDestroy(event) != cudaSuccess) cudaGetLastError();
}

void record(CUevent_st* event, CUstream_st* stream) {
  check(cudaEventRecord(event, stream), "cudaEventRecord");
}

void wait(CUstream_st* stream, CUevent_st* event) {
  check(cudaStreamWaitEvent(stream, event, 0), "cudaStreamWaitEvent");
}

bool is_done(CUevent_st* event) {
  const cudaError_t status = cudaEventQuery(event);
  if (status != cudaErrorNotReady) check(status, "cudaEventQuery");
  return status == cudaSuccess;
}

void synchronize(CUevent_st* event) { check(cudaEventSynchronize(event), "cudaEventSynchronize"); }

double milliseconds_between(CUevent_st* from, CUevent_st* to) {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, from, to), "cudaEventElapsedTime");
  return milliseconds;
}

}  // namespace ripieno::kernels::cuda
