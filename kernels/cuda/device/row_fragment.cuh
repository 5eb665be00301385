// RowFragment: one thread's columns of a row that a block holds in registers, so that a kernel
// loads each row once even if it needs several passes over it. For kernels.
#pragma once

#include "ripieno/kernels/cuda/device/device.cuh"

namespace ripieno::kernels::cuda {

constexpr int kColumnsPerThread = 8;

// Largest block whose threads have enough registers, and the longest row that it can hold.
template <typename T>
constexpr int kLargestRowBlock = sizeof(T) == 8 ? 256 : 512;
template <typename T>
constexpr int64_t kMaxColumns = int64_t{kLargestRowBlock<T>} * kColumnsPerThread;

// Number of rows that a block processes at once: two give more loads in flight and fewer barriers.
template <typename T, int width>
constexpr int kRowsAtOnce = width > 1 && sizeof(T) == 2 ? 2 : 1;

// The first column of a thread's v-th vector of `width`.
template <int width>
__device__ int64_t column_of(int v) {
  return (int64_t{threadIdx.x} + int64_t{v} * blockDim.x) * width;
}

// Calls body(v) for each of this thread's vectors in a row of `cols` columns.
template <int width, typename Body>
__device__ void for_each_vector(int64_t cols, Body body) {
  unrolled<kColumnsPerThread / width>([&](int v) {
    if (column_of<width>(v) < cols) body(v);
  });
}

// The elements of a row that one thread holds.
template <typename T, int width>
struct RowFragment {
  T element[kColumnsPerThread] = {};

  __device__ Vector<T, width> vector(int v) const {
    Vector<T, width> result;
    unrolled<width>([&](int k) { result[k] = element[v * width + k]; });
    return result;
  }
  __device__ void set_vector(int v, const Vector<T, width>& from) {
    unrolled<width>([&](int k) { element[v * width + k] = from[k]; });
  }
  __device__ void load(const T* row, int64_t cols) {
    for_each_vector<width>(
        cols, [&](int v) { set_vector(v, cuda::load<width>(row + column_of<width>(v))); });
  }
  __device__ void store(T* row, int64_t cols) const {
    for_each_vector<width>(cols, [&](int v) { cuda::store(row + column_of<width>(v), vector(v)); });
  }
  // Calls body(i) for each i with element[i] inside the row.
  template <typename Body>
  __device__ static void for_each(int64_t cols, Body body) {
    for_each_vector<width>(cols,
                           [&](int v) { unrolled<width>([&](int k) { body(v * width + k); }); });
  }
};

// Sums each of `values` over the block, with one barrier for all. Successive calls must alternate
// `buffer` between 0 and 1, so that no warp overwrites what another still reads.
template <int count, typename A>
__device__ void block_sum(A (&values)[count], int buffer) {
  auto& of_warps = block_shared<A[2][kMaxWarpsPerBlock][count]>();
  unrolled<count>([&](int i) { values[i] = warp_reduce(values[i], Sum{}); });
  if (lane() == 0) {
    unrolled<count>([&](int i) { of_warps[buffer][threadIdx.x / kWarpSize][i] = values[i]; });
  }
  __syncthreads();
  unrolled<count>([&](int i) { values[i] = of_warps[buffer][0][i]; });
  for (unsigned warp = 1; warp < blockDim.x / kWarpSize; ++warp) {
    unrolled<count>([&](int i) { values[i] += of_warps[buffer][warp][i]; });
  }
}

// Number of threads per block that hold a row.
inline unsigned threads_for_row(int64_t cols) {
  const int64_t threads = ceil_divide(cols, kColumnsPerThread);
  return static_cast<unsigned>(std::max<int64_t>(ceil_divide(threads, kWarpSize), 1) * kWarpSize);
}

// Host only. Calls body.operator()<width>().
template <typename T, typename Body>
void for_row_width(int64_t cols, bool in_vectors, Body body) {
  if (in_vectors && cols % kVectorSize<T> == 0) {
    body.template operator()<kVectorSize<T>>();
  } else {
    body.template operator()<1>();
  }
}

}  // namespace ripieno::kernels::cuda
