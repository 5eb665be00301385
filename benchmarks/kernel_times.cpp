// kernel_times: a library that a CUDA driver loads into any program (CUDA_INJECTION64_PATH). It
// writes the device time of each kernel, copy and fill, libraries' included, as JSON to the file
// RIPIENO_KERNEL_TIMES when the program exits. kernel_times.py prints a table of them.
#include <cupti.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

namespace {

struct Times {
  int64_t count = 0;
  uint64_t nanoseconds = 0;
};

// By name. Never destroyed: CUPTI's thread may add to it until the process ends.
std::map<std::string, Times>& times() {
  static auto& all = *new std::map<std::string, Times>;
  return all;
}

std::mutex& times_mutex() {
  static auto& mutex = *new std::mutex;
  return mutex;
}

void add(const std::string& name, uint64_t start, uint64_t end) {
  const std::lock_guard lock(times_mutex());
  Times& of_name = times()[name];
  ++of_name.count;
  of_name.nanoseconds += end - start;
}

void add(const CUpti_Activity* record) {
  if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
    const auto* kernel = reinterpret_cast<const CUpti_ActivityKernel10*>(record);
    add(kernel->name, kernel->start, kernel->end);
  } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
    const auto* copy = reinterpret_cast<const CUpti_ActivityMemcpy6*>(record);
    add("copy", copy->start, copy->end);
  } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
    const auto* fill = reinterpret_cast<const CUpti_ActivityMemset4*>(record);
    add("fill", fill->start, fill->end);
  }
}

void give_buffer(uint8_t** buffer, size_t* size, size_t* records) {
  *size = 4 << 20;
  *buffer = static_cast<uint8_t*>(std::aligned_alloc(8, *size));
  *records = 0;  // as many as fit
}

void take_buffer(CUcontext, uint32_t, uint8_t* buffer, size_t, size_t valid) {
  CUpti_Activity* record = nullptr;
  while (cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) add(record);
  std::free(buffer);
}

void write() {
  cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
  const char* file = std::getenv("RIPIENO_KERNEL_TIMES");
  if (!file) return;
  nlohmann::ordered_json all;
  const std::lock_guard lock(times_mutex());
  for (const auto& [name, of_name] : times()) {
    all[name] = {{"count", of_name.count}, {"ms", static_cast<double>(of_name.nanoseconds) / 1e6}};
  }
  std::ofstream out(file);
  out << all << '\n';
  out.close();
  if (!out) std::cerr << "kernel_times: cannot write " << file << '\n';
}

bool is_enabled(CUptiResult status) {
  if (status == CUPTI_SUCCESS) return true;
  const char* reason = "unknown error";
  cuptiGetResultString(status, &reason);
  std::cerr << "kernel_times: CUPTI records nothing: " << reason << '\n';
  return false;
}

}  // namespace

// Called by the driver. Returns 1 for success.
extern "C" __attribute__((visibility("default"))) int InitializeInjection() {
  if (!is_enabled(cuptiActivityRegisterCallbacks(give_buffer, take_buffer))) return 0;
  for (const auto kind : {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY,
                          CUPTI_ACTIVITY_KIND_MEMSET}) {
    if (!is_enabled(cuptiActivityEnable(kind))) return 0;
  }
  return std::atexit(write) == 0;
}
