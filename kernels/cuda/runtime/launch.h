// launch(): starts a kernel, one of kernels/cuda or of another program. All built-in kernels are
// started with it.
//
// Kernels use CUDA only through this header. Emulated builds replace it by a header of the same
// name that runs kernels on the CPU.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <tuple>
#include <utility>

namespace ripieno::kernels::cuda {

struct LaunchShape {
  dim3 grid{1}, block{1};
  std::size_t shared_bytes = 0;
  CUstream_st* stream = nullptr;
};

// Throws CudaError with the kernel's name, its launch shape and the reason.
[[noreturn]] void throw_launch_failure(cudaError_t status, const void* kernel,
                                       const LaunchShape& shape);
// Records the launch for later error messages; with RIPIENO_SYNC=1, waits for it (recent_work.h).
void record_launch(const void* kernel, const LaunchShape& shape);

// Shared memory of a multiprocessor of the current device, in bytes. One block can have all of it
// except 1 KiB.
std::size_t shared_bytes_of_multiprocessor();

// Kernels that use more shared memory than this need permission, which allow_shared_bytes() gives.
inline constexpr std::size_t kSharedBytesForAll = 48 << 10;
void allow_shared_bytes(const void* kernel, const LaunchShape& shape);

// Enqueues kernel(arguments...). Does nothing if the grid has no blocks.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), const LaunchShape& shape, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments),
                "the number of arguments must match the kernel's parameters");
  if (shape.grid.x == 0) return;
  // The runtime copies sizeof(parameter) bytes of each argument, so convert arguments first.
  std::tuple<Parameters...> converted(
      static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = shape.grid;
  configuration.blockDim = shape.block;
  configuration.dynamicSmemBytes = shape.shared_bytes;
  configuration.stream = shape.stream;
  const auto* function = reinterpret_cast<const void*>(kernel);
  if (shape.shared_bytes > kSharedBytesForAll) allow_shared_bytes(function, shape);
  const cudaError_t status = std::apply(
      [&](auto&... values) {
        void* pointers[] = {static_cast<void*>(&values)..., nullptr};
        return cudaLaunchKernelExC(&configuration, function, pointers);
      },
      converted);
  if (status != cudaSuccess) throw_launch_failure(status, function, shape);
  record_launch(function, shape);
}

// A T in shared memory, one per block. Within a kernel, each `id` is a separate object.
template <typename T, int id = 0>
__device__ T& block_shared() {
  __shared__ T memory;
  return memory;
}

// The shared_bytes of the launch, aligned to 16 bytes.
template <typename T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char memory_of_launch[];
  return reinterpret_cast<T*>(memory_of_launch);
}

}  // namespace ripieno::kernels::cuda
