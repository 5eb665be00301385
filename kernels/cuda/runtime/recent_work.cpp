#include "ripieno/kernels/cuda/runtime/recent_work.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <sstream>
#include <string_view>

#include "ripieno/kernels/cuda/runtime/check.h"

namespace ripieno::kernels::cuda {
namespace {

constexpr std::size_t kKept = 6;  // per stream

struct Work {
  const char* what = nullptr;
  const void* kernel = nullptr;
  std::array<int64_t, 6> sizes{};
  std::size_t size_count = 0;
};

struct Recent {
  CUstream_st* stream = nullptr;
  std::string name;
  std::array<Work, kKept> work{};
  uint64_t count = 0;
};

// A linear search is enough: a process has few streams, and usually works on one.
class RecentOfStreams {
 public:
  void note(CUstream_st* stream, const Work& work) {
    const std::lock_guard lock(mutex_);
    Recent& recent = of(stream);
    recent.work[recent.count++ % kKept] = work;
  }
  void name(CUstream_st* stream, const std::string& name) {
    const std::lock_guard lock(mutex_);
    of(stream).name = name;
  }
  std::string name_of(CUstream_st* stream) {
    const std::lock_guard lock(mutex_);
    return of(stream).name;
  }
  std::deque<Recent> all() {
    const std::lock_guard lock(mutex_);
    return streams_;
  }

 private:
  Recent& of(CUstream_st* stream) {
    for (Recent& recent : streams_) {
      if (recent.stream == stream) return recent;
    }
    streams_.push_back(
        {.stream = stream, .name = stream ? "an unnamed stream" : "the null stream"});
    return streams_.back();
  }

  std::mutex mutex_;
  std::deque<Recent> streams_;
};

RecentOfStreams& recent_of_streams() {
  static auto& recent = *new RecentOfStreams;
  return recent;
}

std::string name_of(const Work& work) {
  if (work.what) return work.what;
  const char* name = nullptr;
  return cudaFuncGetName(&name, work.kernel) == cudaSuccess && name ? name : "a kernel";
}

std::string to_string(const Work& work) {
  std::ostringstream text;
  text << name_of(work) << " (";
  for (std::size_t i = 0; i < work.size_count; ++i) text << (i ? ", " : "") << work.sizes[i];
  text << ')';
  return text.str();
}

std::string to_string(const Recent& recent) {
  std::string text = "on " + recent.name;
  const uint64_t first = recent.count - std::min<uint64_t>(recent.count, kKept);
  for (uint64_t i = first; i < recent.count; ++i) {
    text += (i == first ? ": " : ", ") + to_string(recent.work[i % kKept]);
  }
  return text;
}

void note(CUstream_st* stream, Work work, std::initializer_list<int64_t> sizes) {
  work.size_count = std::min(sizes.size(), work.sizes.size());
  std::copy_n(sizes.begin(), work.size_count, work.sizes.begin());
  recent_of_streams().note(stream, work);
  if (!synchronizes_each_operation()) return;
  const cudaError_t status = cudaStreamSynchronize(stream);
  if (status != cudaSuccess) {
    check(status, to_string(work) + " on " + name_of_stream(stream));
  }
}

}  // namespace

void record_operation(CUstream_st* stream, const char* what, std::initializer_list<int64_t> sizes) {
  note(stream, {.what = what}, sizes);
}

void record_kernel(CUstream_st* stream, const void* kernel, std::initializer_list<int64_t> sizes) {
  note(stream, {.kernel = kernel}, sizes);
}

std::string recent_work() {
  std::string text;
  for (const Recent& recent : recent_of_streams().all()) {
    if (recent.count > 0) text += (text.empty() ? "; last enqueued: " : "; ") + to_string(recent);
  }
  return text;
}

void name_stream(CUstream_st* stream, const std::string& name) {
  recent_of_streams().name(stream, name);
}

std::string name_of_stream(CUstream_st* stream) { return recent_of_streams().name_of(stream); }

bool& synchronizes_each_operation() {
  static bool waits = [] {
    const char* setting = std::getenv("RIPIENO_SYNC");
    return setting != nullptr && std::string_view(setting) == "1";
  }();
  return waits;
}

}  // namespace ripieno::kernels::cuda
