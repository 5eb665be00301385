// The few CUDA runtime calls that the layers above need, without CUDA's headers.
//
// In a build without CUDA (no_runtime.cpp) device_count() is 0 and everything else throws.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

struct CUstream_st;
struct CUevent_st;

namespace ripieno::kernels::cuda {

// A CUDA call failed. The message names the call and CUDA's reason.
struct CudaError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The device has not as much memory as was asked for.
struct OutOfMemory : CudaError {
  using CudaError::CudaError;
};

// The GPUs that this build can use: those before the first that is too old for it. 0 where there is
// no driver, or one too old: a machine without a GPU is not an error.
int device_count();
// One line for people: the GPUs found and how much of their memory is taken, or why there are none,
// with what was found and what is needed.
std::string describe();
// The same where a GPU or a driver is there but cannot be used; empty where all is well, or there
// is nothing to be used.
std::string what_is_unusable();
// Of the calling thread, for all that follows here and for launches.
void set_device(int device);

// Memory of the current device. deallocate() waits for all work of the device, since some may still
// use it; it does not throw, and ignores null.
void* allocate(std::size_t bytes);  // throws OutOfMemory
void deallocate(void* memory) noexcept;
struct MemoryInfo {
  std::size_t free_bytes = 0, total_bytes = 0;
};
MemoryInfo memory_info();
// Host memory that copies do not have to stage, so that they run beside the calling thread. Its
// free is like deallocate().
void* allocate_pinned(std::size_t bytes);
void deallocate_pinned(void* memory) noexcept;

// With RIPIENO_SYNC=1 in the environment, what is enqueued here or by a launch is waited for at
// once, so that an error is thrown where it happened. Without, any later call may throw it, with
// the names of what the streams were given last.

// Enqueue on `stream`. From host memory that is not pinned, copy() returns once the memory has been
// read; to such memory, once it has been written.
void copy(void* to, const void* from, std::size_t bytes, CUstream_st* stream);
void zero(void* memory, std::size_t bytes, CUstream_st* stream);
// Returns once all work on `stream` is done; throws what went wrong in it.
void synchronize(CUstream_st* stream);

// A stream of the current device, which no other waits for unless it is told to. Messages call it
// `name`.
CUstream_st* create_stream(const std::string& name);
void destroy_stream(CUstream_st* stream) noexcept;

// Events of the current device. A timed one is a little slower to record.
CUevent_st* create_event(bool timed);
void destroy_event(CUevent_st* event) noexcept;
void record(CUevent_st* event, CUstream_st* stream);
// What is enqueued on `stream` from now on begins once `event`, as last recorded, was reached.
void wait(CUstream_st* stream, CUevent_st* event);
bool is_done(CUevent_st* event);
void synchronize(CUevent_st* event);
// Between two timed events that are done.
double milliseconds_between(CUevent_st* from, CUevent_st* to);

}  // namespace ripieno::kernels::cuda
