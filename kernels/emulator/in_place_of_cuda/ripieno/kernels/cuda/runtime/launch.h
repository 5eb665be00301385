// Emulated version of kernels/cuda/runtime/launch.h: launch() and shared memory on the CPU. The
// include path of emulated builds finds this header first.
#pragma once

#include <cstddef>
#include <tuple>
#include <utility>

#include "ripieno/kernels/emulator/built_ins.h"
#include "ripieno/kernels/emulator/enqueue.h"

namespace ripieno::kernels::cuda {

struct LaunchShape {
  dim3 grid{1}, block{1};
  std::size_t shared_bytes = 0;
  CUstream_st* stream = nullptr;
};

[[noreturn]] void throw_launch_failure(cudaError_t status, const void* kernel,
                                       const LaunchShape& shape);
// Records the launch for later error messages; with RIPIENO_SYNC=1, waits for it (recent_work.h).
void record_launch(const void* kernel, const LaunchShape& shape);

std::size_t shared_bytes_of_multiprocessor();

inline constexpr std::size_t kSharedBytesForAll = 48 << 10;
void allow_shared_bytes(const void* kernel, const LaunchShape& shape);

// Enqueues kernel(arguments...). On the null stream it runs before the call returns.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), const LaunchShape& shape, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments),
                "the number of arguments must match the kernel's parameters");
  if (shape.grid.x == 0) return;
  std::tuple<Parameters...> converted(
      static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  const auto run = [kernel, shape, converted] {
    auto body = [&] { std::apply(kernel, converted); };  // a copy for each thread
    const auto call = [](void* argument) { (*static_cast<decltype(body)*>(argument))(); };
    simt::run_grid(shape.grid, shape.block, shape.shared_bytes, call, &body);
  };
  std::apply([](const auto&... each) { (simt::note_argument(each), ...); }, converted);
  const auto* function = reinterpret_cast<const void*>(kernel);
  if (shape.shared_bytes > kSharedBytesForAll) allow_shared_bytes(function, shape);
  const cudaError_t status = simt::enqueue("launch", shape.stream, run);
  if (status != cudaSuccess) throw_launch_failure(status, function, shape);
  record_launch(function, shape);
}

// A T in shared memory, one per block. Within a kernel, each `id` is a separate object.
template <typename T, int id = 0>
T& block_shared() {
  static constinit char name = 0;  // its address identifies this object
  return *static_cast<T*>(simt::shared_memory(&name, sizeof(T), alignof(T)));
}

// The shared_bytes of the launch, aligned to 16 bytes.
template <typename T>
T* dynamic_shared() {
  return static_cast<T*>(simt::dynamic_shared_memory());
}

}  // namespace ripieno::kernels::cuda
