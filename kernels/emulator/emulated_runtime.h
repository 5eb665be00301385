// The state of the emulated GPU, and call(), with which each function of CUDA's runtime API is
// implemented. Private to kernels/emulator.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cuda_runtime_api.h"
#include "ripieno/kernels/emulator/capture.h"
#include "ripieno/kernels/emulator/device_memory.h"
#include "ripieno/kernels/emulator/emulated_gpu.h"
#include "ripieno/kernels/emulator/streams.h"

namespace ripieno::simt {

Gpu gpu_of_environment();

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

inline thread_local int current_device = 0;
inline thread_local cudaError_t last_error = cudaSuccess;

inline bool needs_driver(const char* name) { return std::strstr(name, "Version") == nullptr; }

// Runs the body of the function `name` with gpu_lock() held, unless the call fails before that.
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
  if (Capture* const capture = Captures::instance().of_this_thread();
      capture && status == cudaSuccess && is_prohibited_in_capture(name)) {
    status = invalidate(*capture, cudaErrorStreamCaptureUnsupported);
  }
  if (status == cudaSuccess) status = body(runtime);
  if (status == cudaSuccess) status = runtime.broken;
  if (status != cudaSuccess && status != cudaErrorNotReady) last_error = status;
  return status;
}

}  // namespace ripieno::simt
