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

// 0 where there is no driver: a machine without a GPU is not an error.
int device_count();
// One line for people: the GPUs found, or why there are none ("built without CUDA", "no driver",
// …).
std::string describe();
void set_device(int device);

// Memory of the current device. deallocate() does not throw; it ignores null.
void* allocate(std::size_t bytes);
void deallocate(void* memory) noexcept;

// Enqueue on `stream`. Host memory that is not pinned makes copy() wait.
void copy(void* to, const void* from, std::size_t bytes, CUstream_st* stream);
void zero(void* memory, std::size_t bytes, CUstream_st* stream);
// Returns once all work on `stream` is done; throws what went wrong in it.
void synchronize(CUstream_st* stream);

}  // namespace ripieno::kernels::cuda
