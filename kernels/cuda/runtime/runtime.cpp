#include "ripieno/kernels/cuda/runtime/runtime.h"

#include <cuda_runtime_api.h>

#include <cstdlib>

#include "ripieno/kernels/cuda/runtime/architectures.h"
#include "ripieno/kernels/cuda/runtime/check.h"
#include "ripieno/kernels/cuda/runtime/recent_work.h"
#include "ripieno/kernels/cuda/runtime/recording.h"

namespace ripieno::kernels::cuda {
namespace {

// "13.0" for CUDA's number 13000.
std::string version_of(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

// Compute capability times ten.
int capability_of(int device) {
  int major = 0, minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
        "cudaDeviceGetAttribute");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device),
        "cudaDeviceGetAttribute");
  return 10 * major + minor;
}

bool is_usable(int device) { return runs_on(built_architectures(), capability_of(device)); }

int driver_version() {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess ? version : 0;
}

// Number of devices, whether this build supports them or not. If it is 0, `status` is the reason.
int all_devices(cudaError_t& status) {
  int count = 0;  // without a driver the call leaves it untouched
  status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) cudaGetLastError();
  return status == cudaSuccess ? count : 0;
}

std::string too_old_driver() {
  int needed = 0;
  cudaRuntimeGetVersion(&needed);
  return "the driver supports CUDA up to " + version_of(driver_version()) +
         ", this build requires " + version_of(needed) + "; install a newer driver";
}

std::string why_none(cudaError_t status) {
  if (driver_version() == 0) return "no CUDA driver";
  if (status == cudaErrorInsufficientDriver) return too_old_driver();
  if (status == cudaErrorNoDevice || status == cudaSuccess) return "no GPU";
  return std::string("no usable GPU: ") + cudaGetErrorString(status);
}

// "0: NVIDIA H200, compute capability 9.0, 139 GiB, 3 GiB in use"
std::string describe_device(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  std::string text = std::to_string(device) + ": " + properties.name + ", compute capability " +
                     std::to_string(properties.major) + "." + std::to_string(properties.minor);
  if (!is_usable(device)) {
    return text + ", which this build does not support (built for " +
           std::string(built_architectures()) + "; requires at least " +
           lowest_capability(built_architectures()) + ")";
  }
  set_device(device);
  const MemoryInfo memory = memory_info();
  return text + ", " + std::to_string(memory.total_bytes >> 30) + " GiB, " +
         std::to_string((memory.total_bytes - memory.free_bytes) >> 30) + " GiB in use";
}

[[noreturn]] void fail_on(CUstream_st* stream, cudaError_t status, const char* call,
                          std::size_t bytes) {
  check(status,
        std::string(call) + " of " + std::to_string(bytes) + " bytes on " + name_of_stream(stream));
  std::abort();  // not reached: status is a failure
}

bool is_on_device(const void* memory) {
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, memory), "cudaPointerGetAttributes");
  return attributes.type == cudaMemoryTypeDevice;
}

// Each replay would read or write the same host memory, at some later time.
void require_device_memory(const void* to, const void* from, std::size_t bytes) {
  if (is_on_device(to) && is_on_device(from)) return;
  throw CudaError("copy of " + std::to_string(bytes) +
                  " bytes from or to host memory: it cannot be recorded");
}

// Whether it is an error in work that was enqueued earlier, not in the call that reports it.
bool is_of_earlier_work(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
      return true;
    default:
      return false;
  }
}

}  // namespace

void check(cudaError_t status, std::string_view call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears the error, which the next call would report again
  std::string message = std::string(call) + ": " + cudaGetErrorString(status);
  if (is_of_earlier_work(status)) {
    message += recent_work();
    if (!synchronizes_each_operation())
      message += "; set RIPIENO_SYNC=1 to stop at the operation that failed";
  }
  if (status == cudaErrorMemoryAllocation) throw OutOfMemory(message);
  throw CudaError(message);
}

int device_count() {
  cudaError_t status = cudaSuccess;
  const int count = all_devices(status);
  int usable = 0;
  while (usable < count && is_usable(usable)) ++usable;
  return usable;
}

std::string describe() {
  cudaError_t status = cudaSuccess;
  const int count = all_devices(status);
  if (count == 0) return why_none(status);
  int before = 0;
  check(cudaGetDevice(&before), "cudaGetDevice");
  std::string devices = describe_device(0);
  for (int device = 1; device < count; ++device) devices += "; " + describe_device(device);
  if (is_usable(before)) set_device(before);
  return devices;
}

std::string describe_unusable() {
  cudaError_t status = cudaSuccess;
  const int count = all_devices(status);
  if (count == 0) {
    return status == cudaErrorNoDevice || driver_version() == 0 ? "" : why_none(status);
  }
  for (int device = 0; device < count; ++device) {
    if (!is_usable(device)) return describe_device(device);
  }
  return "";
}

void set_device(int device) {
  thread_local int chosen = -1;  // cached, because every operation sets the device
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

MemoryInfo memory_info() {
  MemoryInfo info;
  check(cudaMemGetInfo(&info.free_bytes, &info.total_bytes), "cudaMemGetInfo");
  return info;
}

void copy(void* to, const void* from, std::size_t bytes, CUstream_st* stream) {
  if (is_recording()) require_device_memory(to, from, bytes);
  const cudaError_t status = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream);
  if (status != cudaSuccess) fail_on(stream, status, "cudaMemcpyAsync", bytes);
  record_operation(stream, "copy", {static_cast<int64_t>(bytes)});
}

void zero(void* memory, std::size_t bytes, CUstream_st* stream) {
  const cudaError_t status = cudaMemsetAsync(memory, 0, bytes, stream);
  if (status != cudaSuccess) fail_on(stream, status, "cudaMemsetAsync", bytes);
  record_operation(stream, "zero", {static_cast<int64_t>(bytes)});
}

void synchronize(CUstream_st* stream) {
  const cudaError_t status = cudaStreamSynchronize(stream);
  if (status != cudaSuccess) check(status, "cudaStreamSynchronize of " + name_of_stream(stream));
}

CUstream_st* create_stream(const std::string& name) {
  CUstream_st* stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  name_stream(stream, name);
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
