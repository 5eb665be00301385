// The CUDA runtime functions that the layers above use, without CUDA headers.
//
// In a build without CUDA (no_runtime.cpp), device_count() is 0, functions that describe devices or
// destroy objects work, and all others throw CudaError.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

struct CUstream_st;
struct CUevent_st;

namespace ripieno::kernels::cuda {

// A CUDA call failed. The message has the name of the call and CUDA's reason.
struct CudaError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The device does not have as much free memory as was requested.
struct OutOfMemory : CudaError {
  using CudaError::CudaError;
};

// Number of GPUs that this build supports, counted up to the first one that is too old. 0 if there
// is no driver or it is too old: a host without a GPU is not an error.
int device_count();
// One human-readable line: the GPUs and how much of their memory is in use; or why there are none,
// with what was found and what is required.
std::string describe();
// The same, if there is a GPU or a driver that cannot be used; otherwise empty, also if there is no
// GPU.
std::string describe_unusable();
// Sets the current device of the calling thread, for launches and all functions below.
void set_device(int device);

// Memory of the current device. deallocate() waits for all work of the device, which may still use
// the memory; it does not throw, and ignores null.
void* allocate(std::size_t bytes);  // throws OutOfMemory
void deallocate(void* memory) noexcept;
struct MemoryInfo {
  std::size_t free_bytes = 0, total_bytes = 0;
};
MemoryInfo memory_info();
// Pinned host memory: copies from and to it run asynchronously. deallocate_pinned() waits like
// deallocate().
void* allocate_pinned(std::size_t bytes);
void deallocate_pinned(void* memory) noexcept;

// With RIPIENO_SYNC=1 in the environment, each operation that is enqueued here or launched is
// waited for at once, so that an error is thrown where it occurs. Otherwise any later call may
// throw it; its message lists the last operations of each stream.

// Enqueue on `stream`. copy() to pageable host memory returns when it has been written. Host memory
// that is copied from, pageable or pinned, must not change before the stream has reached the copy:
// CUDA only says that it may have read pageable memory by the time the call returns.
void copy(void* to, const void* from, std::size_t bytes, CUstream_st* stream);
void zero(void* memory, std::size_t bytes, CUstream_st* stream);
// Waits until all work on `stream` is done; throws if any of it failed.
void synchronize(CUstream_st* stream);

// A stream of the current device that does not synchronize with others implicitly, not even with
// the null stream. `name` is used in messages.
CUstream_st* create_stream(const std::string& name);
void destroy_stream(CUstream_st* stream) noexcept;

// Events of the current device. Timed events are slightly slower to record.
CUevent_st* create_event(bool timed);
void destroy_event(CUevent_st* event) noexcept;
void record(CUevent_st* event, CUstream_st* stream);
// Work enqueued on `stream` after this call starts when `event`, as last recorded, is reached.
void wait(CUstream_st* stream, CUevent_st* event);
bool is_done(CUevent_st* event);
void synchronize(CUevent_st* event);
// Time between two timed events, which must be done.
double milliseconds_between(CUevent_st* from, CUevent_st* to);

}  // namespace ripieno::kernels::cuda
