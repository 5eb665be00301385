// Basics of all kernels, also of those of other programs: thread indices, launch shapes, 16-byte
// vectors, and reductions over a warp or a block.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "ripieno/kernels/cuda/device/instructions.cuh"
#include "ripieno/kernels/cuda/runtime/launch.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels::cuda {

constexpr int kWarpSize = 32;
constexpr int kBlockSize = 256;  // threads per block, unless a kernel states otherwise
constexpr int kWarpsPerBlock = kBlockSize / kWarpSize;
constexpr int kMaxWarpsPerBlock = 32;
constexpr unsigned kWholeWarp = 0xffffffffu;

constexpr int64_t ceil_divide(int64_t size, int64_t by) { return (size + by - 1) / by; }

// Launch shapes with one thread per element, one warp per row, and one block per row.
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
  if constexpr (std::is_same_v<T, float16>) {
    return from_float16(value);
  } else {
    return static_cast<accumulator_t<T>>(value);
  }
}

template <typename T>
__device__ T narrow(accumulator_t<T> value) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return to_bfloat16(value);
  } else if constexpr (std::is_same_v<T, float16>) {
    return to_float16(value);
  } else {
    return value;
  }
}

// Calls body(0) to body(count - 1), unrolled, so that arrays that they index stay in registers.
template <int count, typename Body>
__device__ void unrolled(Body body) {
  [&]<int... i>(std::integer_sequence<int, i...>) { (body(i), ...); }
  (std::make_integer_sequence<int, count>{});
}

// `size` adjacent elements, loaded and stored with as few instructions of up to 16 bytes as
// possible.
//
// Memory is fastest when the lanes of a warp access adjacent addresses. So a kernel with several
// element types uses vectors that fill 16 bytes of the widest: kVectorSize<float, bfloat16> is 4.
template <typename... T>
constexpr int kVectorSize = 16 / static_cast<int>(std::max({sizeof(T)...}));

template <typename T, int size = kVectorSize<T>>
struct Vector {
  T element[size];

  __device__ T& operator[](int i) { return element[i]; }
  __device__ const T& operator[](int i) const { return element[i]; }
};

// from, to: aligned to 16 bytes, or to the size of the vector if that is smaller.
template <int size, typename T>
__device__ Vector<T, size> load(const T* from) {
  constexpr int kPerWord = size < kVectorSize<T> ? size : kVectorSize<T>;
  Vector<T, size> vector;
  unrolled<size / kPerWord>([&](int p) {
    const auto part = load_word<Vector<T, kPerWord>>(from + p * kPerWord);
    unrolled<kPerWord>([&](int k) { vector[p * kPerWord + k] = part[k]; });
  });
  return vector;
}
template <int size, typename T>
__device__ void store(T* to, const Vector<T, size>& vector) {
  constexpr int kPerWord = size < kVectorSize<T> ? size : kVectorSize<T>;
  unrolled<size / kPerWord>([&](int p) {
    Vector<T, kPerWord> part;
    unrolled<kPerWord>([&](int k) { part[k] = vector[p * kPerWord + k]; });
    store_word(to + p * kPerWord, part);
  });
}

// Whether 16-byte vectors can be loaded from all of these; null counts as aligned.
template <typename... T>
bool is_aligned(const T*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

template <typename A>
constexpr A kLowest = -std::numeric_limits<A>::infinity();

struct Sum {
  template <typename A>
  __device__ A operator()(A a, A b) const {
    return a + b;
  }
};

struct Max {  // NaN propagates
  template <typename A>
  __device__ A operator()(A a, A b) const {
    return a != a || a > b ? a : b;
  }
};

// All lanes of a full warp must call it, and get the result. The order is fixed.
template <typename A, typename Combine>
__device__ A warp_reduce(A value, Combine combine) {
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    value = combine(value, __shfl_xor_sync(kWholeWarp, value, offset));
  }
  return value;
}

// All threads of a block of full warps must call it, and get the result. The order is fixed.
template <typename A, typename Combine>
__device__ A block_reduce(A value, Combine combine) {
  A* const of_warps = block_shared<A[kMaxWarpsPerBlock]>();
  const int warps = static_cast<int>(blockDim.x / kWarpSize);
  value = warp_reduce(value, combine);
  __syncthreads();  // threads may still read the result of the previous call
  if (lane() == 0) of_warps[threadIdx.x / kWarpSize] = value;
  __syncthreads();
  value = of_warps[0];
  for (int warp = 1; warp < warps; ++warp) value = combine(value, of_warps[warp]);
  return value;
}

}  // namespace ripieno::kernels::cuda
