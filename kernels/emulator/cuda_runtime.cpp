// CUDA's runtime API, implemented for the emulated GPU.
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cuda_runtime_api.h"
#include "ripieno/kernels/emulator/capture.h"
#include "ripieno/kernels/emulator/device_memory.h"
#include "ripieno/kernels/emulator/emulated_gpu.h"
#include "ripieno/kernels/emulator/emulator.h"
#include "ripieno/kernels/emulator/enqueue.h"
#include "ripieno/kernels/emulator/streams.h"

namespace ripieno::simt {
namespace {

Gpu gpu_of_environment() {
  Gpu result;
  if (const char* devices = std::getenv("RIPIENO_EMULATED_GPUS")) {
    const char* const end = devices + std::strlen(devices);
    const auto [stop, error] = std::from_chars(devices, end, result.devices);
    if (error != std::errc() || stop != end || result.devices < 0) {
      fail(std::string("RIPIENO_EMULATED_GPUS must be a number of devices, got \"") + devices +
           '"');
    }
  }
  return result;
}

struct Failure {
  int64_t in = 0;  // number of calls until it happens
  cudaError_t error = cudaSuccess;
};

// State of the emulated GPU. Guarded by gpu_lock().
struct Runtime {
  Gpu gpu = gpu_of_environment();
  std::map<std::string, int64_t, std::less<>> calls;
  std::map<const CUstream_st*, int64_t> copies;
  bool notes_addresses = false;  // true after the first clear_calls()
  std::vector<const void*> addresses;
  std::map<std::string, Failure, std::less<>> failures;
  Failure failure_of_work;
  cudaError_t broken = cudaSuccess;  // error of failed work; all later calls return it
  std::map<void*, std::pair<int, std::size_t>> device_memory;  // device and bytes
  std::map<char*, std::size_t> pinned;
  std::vector<std::unique_ptr<CUevent_st>> events;

  static Runtime& instance() {
    static Runtime& runtime = *new Runtime;
    return runtime;
  }

  void count(const char* name) {
    const auto found = calls.find(name);
    if (found != calls.end()) {
      ++found->second;
    } else {
      calls[name] = 1;
    }
  }

  void note(const void* address) {
    if (notes_addresses) addresses.push_back(address);
  }

  cudaError_t injected(const char* name) {
    const auto found = failures.find(name);
    if (found == failures.end() || --found->second.in > 0) return cudaSuccess;
    const cudaError_t error = found->second.error;
    failures.erase(found);
    return error;
  }

  bool is_pinned(const void* memory) const {
    auto* address = static_cast<char*>(const_cast<void*>(memory));
    auto after = pinned.upper_bound(address);
    if (after == pinned.begin()) return false;
    --after;
    return address < after->first + after->second;
  }

  bool is_pageable(const void* memory) const {
    return !is_device_memory(memory) && !is_pinned(memory);
  }

  std::size_t bytes_in_use(int device) const {
    std::size_t sum = gpu.bytes_of_others;
    for (const auto& [memory, block] : device_memory) {
      if (block.first == device) sum += block.second;
    }
    return sum;
  }
};

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

bool needs_driver(const char* name) { return std::strstr(name, "Version") == nullptr; }

template <typename Body>
cudaError_t call(const char* name, Body body) {
  const auto lock = gpu_lock();
  Runtime& runtime = Runtime::instance();
  runtime.count(name);
  cudaError_t status = runtime.injected(name);
  if (status == cudaSuccess) status = runtime.broken;
  if (status == cudaSuccess && needs_driver(name)) {
    if (runtime.gpu.driver_version < 13000) status = cudaErrorInsufficientDriver;
    if (runtime.gpu.devices == 0) status = cudaErrorNoDevice;
  }
  if (status == cudaSuccess) status = status_in_capture(name);
  if (status == cudaSuccess) status = body(runtime);
  if (status == cudaSuccess) status = runtime.broken;
  if (status != cudaSuccess && status != cudaErrorNotReady) last_error = status;
  return status;
}

// Blocks the host until `reached` returns true: work of a stream may have to wait for other host
// threads.
template <typename Reached>
cudaError_t block_until(Reached reached) {
  for (;;) {
    {
      const auto lock = gpu_lock();
      const bool is_reached = reached();
      const cudaError_t broken = Runtime::instance().broken;
      if (broken != cudaSuccess) last_error = broken;
      if (is_reached || broken != cudaSuccess) return broken;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

// A call that returns when `reached` does.
template <typename Reached>
cudaError_t call_blocking(const char* name, Reached reached) {
  const cudaError_t status = call(name, [](Runtime&) { return cudaSuccess; });
  return status == cudaSuccess ? block_until(reached) : status;
}

// Wraps an operation so that fail_work() can make it fail.
std::function<void()> failing(std::function<void()> work) {
  return [work = std::move(work)] {
    Runtime& runtime = Runtime::instance();
    if (runtime.failure_of_work.in > 0 && --runtime.failure_of_work.in == 0) {
      runtime.broken = runtime.failure_of_work.error;
    }
    if (runtime.broken == cudaSuccess) work();
  };
}

bool is_on_current_device(cudaStream_t stream) {
  return stream == nullptr || stream->device == current_device;
}

}  // namespace

Gpu& gpu() { return Runtime::instance().gpu; }

void set_eager_streams(bool eager) {
  const auto lock = gpu_lock();
  Streams::instance().is_eager = eager;
}

std::map<std::string, int64_t> calls() {
  const auto lock = gpu_lock();
  const auto& counted = Runtime::instance().calls;
  return {counted.begin(), counted.end()};
}

int64_t copies_on(const CUstream_st* stream) {
  const auto lock = gpu_lock();
  const auto& copies = Runtime::instance().copies;
  const auto found = copies.find(stream);
  return found == copies.end() ? 0 : found->second;
}

std::vector<const void*> addresses() {
  const auto lock = gpu_lock();
  return Runtime::instance().addresses;
}

void note_address(const void* address) {
  const auto lock = gpu_lock();
  Runtime::instance().note(address);
}

void clear_calls() {
  const auto lock = gpu_lock();
  Runtime& runtime = Runtime::instance();
  runtime.calls.clear();
  runtime.copies.clear();
  runtime.addresses.clear();
  runtime.notes_addresses = true;
}

void fail_call(const std::string& name, int64_t n, int error) {
  const auto lock = gpu_lock();
  Runtime::instance().failures[name] = {n, static_cast<cudaError_t>(error)};
}

void fail_work(int64_t n, int error) {
  const auto lock = gpu_lock();
  Runtime::instance().failure_of_work = {n, static_cast<cudaError_t>(error)};
}

void reset() {
  const auto lock = gpu_lock();
  Runtime& runtime = Runtime::instance();
  runtime.gpu = gpu_of_environment();
  runtime.calls.clear();
  runtime.failures.clear();
  runtime.failure_of_work = {};
  runtime.broken = last_error = cudaSuccess;
}

cudaError_t locked_call(const char* name, const std::function<cudaError_t()>& body) {
  return call(name, [&](Runtime&) { return body(); });
}

cudaError_t enqueue(const char* name, cudaStream_t stream, std::function<void()> work) {
  return call(name, [&](Runtime&) {
    if (!is_on_current_device(stream)) return cudaErrorInvalidResourceHandle;
    if (const cudaError_t status = capture_status(stream); status != cudaSuccess) return status;
    Streams::instance().enqueue(stream, failing(std::move(work)));
    return cudaSuccess;
  });
}

}  // namespace ripieno::simt

using namespace ripieno::simt;

// ---- Errors and versions

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    default:
      return "cudaError";
  }
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorNoKernelImageForDevice:
      return "no kernel image is available for execution on the device";
    case cudaErrorUnsupportedPtxVersion:
      return "the provided PTX was compiled with an unsupported toolchain.";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorLaunchOutOfResources:
      return "too many resources requested for launch";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureUnmatched:
      return "the capture was not initiated in this stream";
    case cudaErrorStreamCaptureUnjoined:
      return "capturing stream has unjoined work";
    case cudaErrorStreamCaptureIsolation:
      return "dependency created on uncaptured work in another stream";
    case cudaErrorCapturedEvent:
      return "operation not permitted on an event last recorded in a capturing stream";
    case cudaErrorStreamCaptureWrongThread:
      return "attempt to terminate a thread-local capture sequence from another thread";
    default:
      return "unrecognized error code";
  }
}

cudaError_t cudaDriverGetVersion(int* version) {
  return call("cudaDriverGetVersion", [&](Runtime& runtime) {
    *version = runtime.gpu.driver_version;
    return cudaSuccess;
  });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

// ---- Devices

cudaError_t cudaGetDeviceCount(int* count) {
  return call("cudaGetDeviceCount", [&](Runtime& runtime) {
    *count = runtime.gpu.devices;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call("cudaGetDeviceProperties", [&](Runtime& runtime) {
    if (device < 0 || device >= runtime.gpu.devices) return cudaErrorInvalidDevice;
    *properties = {"emulated on the CPU", runtime.gpu.memory_bytes,
                   runtime.gpu.compute_capability / 10, runtime.gpu.compute_capability % 10};
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return call("cudaSetDevice", [&](Runtime& runtime) {
    if (device < 0 || device >= runtime.gpu.devices) return cudaErrorInvalidDevice;
    current_device = device;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call_blocking("cudaDeviceSynchronize",
                       [] { return Streams::instance().run_all(current_device); });
}

// ---- Memory

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  return call("cudaMalloc", [&](Runtime& runtime) {
    if (bytes > runtime.gpu.memory_bytes - runtime.bytes_in_use(current_device)) {
      return cudaErrorMemoryAllocation;
    }
    *memory = allocate_device_memory(bytes);
    runtime.device_memory[*memory] = {current_device, bytes};
    return cudaSuccess;
  });
}

cudaError_t cudaFree(void* memory) {
  return call("cudaFree", [&](Runtime& runtime) {
    if (memory == nullptr) return cudaSuccess;
    Streams::instance().run_all(current_device);  // cudaFree waits for all work
    if (runtime.device_memory.erase(memory) == 0) return cudaErrorInvalidValue;
    free_device_memory(memory);
    return cudaSuccess;
  });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return call("cudaMemGetInfo", [&](Runtime& runtime) {
    *total = runtime.gpu.memory_bytes;
    *free = *total - runtime.bytes_in_use(current_device);
    return cudaSuccess;
  });
}

cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  return call("cudaHostAlloc", [&](Runtime& runtime) {
    if (posix_memalign(memory, 256, bytes) != 0) return cudaErrorMemoryAllocation;
    runtime.pinned[static_cast<char*>(*memory)] = bytes;
    return cudaSuccess;
  });
}

cudaError_t cudaFreeHost(void* memory) {
  return call("cudaFreeHost", [&](Runtime& runtime) {
    Streams::instance().run_all(current_device);
    if (memory && runtime.pinned.erase(static_cast<char*>(memory)) == 0) {
      return cudaErrorInvalidValue;
    }
    std::free(memory);
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  bool blocks = false;
  const cudaError_t status = call("cudaMemcpyAsync", [&](Runtime& runtime) {
    ++runtime.copies[stream];
    for (const void* address : {static_cast<const void*>(to), from}) runtime.note(address);
    const bool to_pageable = runtime.is_pageable(to);
    if (to_pageable || runtime.is_pageable(from)) {
      runtime.count("pageable copy");
      if (Capture* const capture = Captures::instance().of(stream))
        return invalidate(*capture, cudaErrorStreamCaptureUnsupported);
    }
    if (const cudaError_t error = capture_status(stream); error != cudaSuccess) return error;
    // Pageable memory too is read only when the stream gets there: CUDA may stage it before the
    // call returns, but does not promise to.
    Streams::instance().enqueue(stream, failing([=] { std::memcpy(to, from, bytes); }));
    blocks = to_pageable;
    return cudaSuccess;
  });
  if (status != cudaSuccess || !blocks) return status;
  return block_until([&] { return Streams::instance().run_all(stream); });
}

cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
  return enqueue("cudaMemsetAsync", stream,
                 [memory, value, bytes] { std::memset(memory, value, bytes); });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory) {
  return call("cudaPointerGetAttributes", [&](Runtime& runtime) {
    attributes->type = is_device_memory(memory)    ? cudaMemoryTypeDevice
                       : runtime.is_pinned(memory) ? cudaMemoryTypeHost
                                                   : cudaMemoryTypeUnregistered;
    return cudaSuccess;
  });
}

// ---- Streams

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  return call("cudaStreamCreateWithFlags", [&](Runtime&) {
    *stream = Streams::instance().create(current_device);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call("cudaStreamDestroy", [&](Runtime&) {
    Streams::instance().run_all(stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const cudaError_t status = call("cudaStreamSynchronize", [&](Runtime&) {
    Capture* const capture = Captures::instance().of(stream);
    return capture ? invalidate(*capture, cudaErrorStreamCaptureUnsupported) : cudaSuccess;
  });
  if (status != cudaSuccess) return status;
  return block_until([&] { return Streams::instance().run_all(stream); });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return call("cudaStreamWaitEvent", [&](Runtime&) {
    if (concerns_capture(stream, *event)) return wait_in_capture(stream, *event);
    Streams::instance().wait(stream, *event);
    return cudaSuccess;
  });
}

// ---- Events

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call("cudaEventCreateWithFlags", [&](Runtime& runtime) {
    runtime.events.push_back(std::make_unique<CUevent_st>());
    *event = runtime.events.back().get();
    (*event)->device = current_device;
    (*event)->is_timed = (flags & cudaEventDisableTiming) == 0;
    return cudaSuccess;
  });
}

// Enqueued work may still refer to the event, so its memory is kept.
cudaError_t cudaEventDestroy(cudaEvent_t) {
  return call("cudaEventDestroy", [](Runtime&) { return cudaSuccess; });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call("cudaEventRecord", [&](Runtime&) {
    if (stream && stream->device != event->device) return cudaErrorInvalidResourceHandle;
    Streams::instance().record(*event, stream);
    return cudaSuccess;
  });
}

// Lazy streams reach the event between one query and the next.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call("cudaEventQuery", [&](Runtime&) {
    if (const cudaError_t status = event_status(*event); status != cudaSuccess) return status;
    if (Streams::instance().is_reached(*event)) return cudaSuccess;
    Streams::instance().run_until(*event);
    return cudaErrorNotReady;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const cudaError_t status =
      call("cudaEventSynchronize", [&](Runtime&) { return event_status(*event); });
  if (status != cudaSuccess) return status;
  return block_until([&] { return Streams::instance().run_until(*event); });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  return call("cudaEventElapsedTime", [&](Runtime&) {
    for (const cudaEvent_t each : {from, to}) {
      if (const cudaError_t status = event_status(*each); status != cudaSuccess) return status;
    }
    if (!from->is_timed || !to->is_timed) return cudaErrorInvalidResourceHandle;
    if (!Streams::instance().is_reached(*from) || !Streams::instance().is_reached(*to)) {
      return cudaErrorNotReady;
    }
    *milliseconds = static_cast<float>(to->reached_ms - from->reached_ms);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  return call("cudaDeviceGetAttribute", [&](Runtime& runtime) {
    switch (attribute) {
      case cudaDevAttrComputeCapabilityMajor:
        *value = runtime.gpu.compute_capability / 10;
        break;
      case cudaDevAttrComputeCapabilityMinor:
        *value = runtime.gpu.compute_capability % 10;
        break;
      case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
        *value = 228 << 10;  // as on an H200
    }
    return cudaSuccess;
  });
}

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int value) {
  return call("cudaFuncSetAttribute",
              [&](Runtime&) { return value <= 227 << 10 ? cudaSuccess : cudaErrorInvalidValue; });
}

cudaError_t cudaFuncGetName(const char** name, const void*) {
  *name = "a kernel";
  return cudaSuccess;
}
