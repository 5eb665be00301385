// launch(): the one way in which kernels of ours are started. Private to kernels/cuda.
//
// Kernels see nothing of CUDA but what this header gives them: their tests put another header of
// this name in its place, which runs them on the CPU.
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

// Throws CudaError with the kernel's name, its shape and the reason.
[[noreturn]] void throw_launch_failure(cudaError_t status, const void* kernel,
                                       const LaunchShape& shape);
// Notes it for later messages; waits for it under RIPIENO_SYNC=1 (recent_work.h).
void launched(const void* kernel, const LaunchShape& shape);

// What all blocks of a multiprocessor of the current device share, and so the most that one block
// may ask for, but for a kilobyte.
std::size_t shared_bytes_of_multiprocessor();

// More than this a kernel must be allowed to ask for.
inline constexpr std::size_t kSharedBytesForAll = 48 << 10;
void allow_shared_bytes(const void* kernel, const LaunchShape& shape);

// Enqueues kernel(arguments...). A grid without blocks is nothing to do.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), const LaunchShape& shape, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "as many arguments as parameters");
  if (shape.grid.x == 0) return;
  // The runtime copies each argument by its parameter's size: convert first.
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
  launched(function, shape);
}

// One T that the threads of a block share. Within one kernel, each `place` is another one.
template <typename T, int place = 0>
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
