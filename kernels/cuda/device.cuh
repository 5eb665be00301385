// What every kernel starts from: who am I, how many of us, and sums over a warp or a block.
//
// Device code, and the launch shapes that go with it. Private to kernels/cuda.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "ripieno/kernels/cuda/launch.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels::cuda {

constexpr int kWarpSize = 32;
constexpr int kBlockSize = 256;  // threads of every block here, unless its kernel says otherwise
constexpr int kWarpsPerBlock = kBlockSize / kWarpSize;
constexpr unsigned kWholeWarp = 0xffffffffu;

constexpr int64_t ceil_divide(int64_t size, int64_t by) { return (size + by - 1) / by; }

// One thread an element, one warp a row, one block a row.
inline LaunchShape thread_each(OnCuda on, int64_t size) {
  return {dim3(static_cast<unsigned>(ceil_divide(size, kBlockSize))), dim3(kBlockSize), 0,
          on.stream};
}
inline LaunchShape warp_each(OnCuda on, int64_t rows) {
  return {dim3(static_cast<unsigned>(ceil_divide(rows, kWarpsPerBlock))), dim3(kBlockSize), 0,
          on.stream};
}
inline LaunchShape block_each(OnCuda on, int64_t rows) {
  return {dim3(static_cast<unsigned>(rows)), dim3(kBlockSize), 0, on.stream};
}

__device__ inline int64_t global_thread() { return int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ inline int64_t global_warp() { return global_thread() / kWarpSize; }
__device__ inline int lane() { return static_cast<int>(threadIdx.x % kWarpSize); }

template <typename T>
__device__ accumulator_t<T> widen(T value) {
  return static_cast<accumulator_t<T>>(value);
}

template <typename A>
constexpr A kLowest = -std::numeric_limits<A>::infinity();

struct Sum {
  template <typename A>
  __device__ A operator()(A a, A b) const {
    return a + b;
  }
};

struct Max {  // NaN wins
  template <typename A>
  __device__ A operator()(A a, A b) const {
    return a != a || a > b ? a : b;
  }
};

// Every lane of a whole warp gets the result; the order is fixed.
template <typename A, typename Combine>
__device__ A warp_reduce(A value, Combine combine) {
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    value = combine(value, __shfl_xor_sync(kWholeWarp, value, offset));
  }
  return value;
}

// Every thread of a block of kBlockSize gets the result; the order is fixed.
template <typename A, typename Combine>
__device__ A block_reduce(A value, Combine combine) {
  A* const of_warps = block_shared<A[kWarpsPerBlock]>();
  value = warp_reduce(value, combine);
  __syncthreads();  // the call before this one may still be reading
  if (lane() == 0) of_warps[threadIdx.x / kWarpSize] = value;
  __syncthreads();
  value = of_warps[0];
  for (int warp = 1; warp < kWarpsPerBlock; ++warp) value = combine(value, of_warps[warp]);
  return value;
}

}  // namespace ripieno::kernels::cuda
