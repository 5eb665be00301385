// launch() and shared memory as the emulated build of the kernels sees them: it finds this header
// where nvcc finds that of kernels/cuda.
#pragma once

#include <cstddef>
#include <tuple>
#include <utility>

#include "support/simt/built_ins.h"

struct CUstream_st;

namespace ripieno::kernels::cuda {

struct LaunchShape {
  dim3 grid{1}, block{1};
  std::size_t shared_bytes = 0;
  CUstream_st* stream = nullptr;
};

// An H200's.
inline std::size_t shared_bytes_of_multiprocessor() { return 228 << 10; }

// Runs kernel(arguments...) and returns when it is done: the stream is ignored.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), const LaunchShape& shape, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "as many arguments as parameters");
  if (shape.grid.x == 0) return;
  std::tuple<Parameters...> converted(
      static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  auto body = [&] { std::apply(kernel, std::as_const(converted)); };  // a copy for each thread
  const auto call = [](void* argument) { (*static_cast<decltype(body)*>(argument))(); };
  simt::run_grid(shape.grid, shape.block, shape.shared_bytes, call, &body);
}

// One T that the threads of a block share. Within one kernel, each `place` is another one.
template <typename T, int place = 0>
T& block_shared() {
  static constinit char name = 0;  // its address tells this memory from others
  return *static_cast<T*>(simt::shared_memory(&name, sizeof(T), alignof(T)));
}

// The shared_bytes of the launch.
template <typename T>
T* dynamic_shared() {
  return static_cast<T*>(simt::dynamic_shared_memory());
}

}  // namespace ripieno::kernels::cuda
