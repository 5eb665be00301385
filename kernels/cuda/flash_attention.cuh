// Building blocks of the built-in attention kernels: square tiles in shared memory, and products
// of two tiles.
//
// A block has 16 by 16 threads. Thread (x, y) holds rows y, y + 16, ... of a product. Private to
// kernels/cuda.
#pragma once

#include <cstdint>

#include "ripieno/kernels/cuda/device/device.cuh"

namespace ripieno::kernels::cuda {

constexpr int kSide = 16;  // threads of a block, in each direction
static_assert(kSide * kSide == kBlockSize);

template <typename A>
constexpr int kTile = kSide* kVectorSize<A>;  // rows and columns of a tile

__device__ inline int thread_x() { return static_cast<int>(threadIdx.x) % kSide; }
__device__ inline int thread_y() { return static_cast<int>(threadIdx.x) / kSide; }

// Each row is padded by 16 bytes, so that consecutive rows begin in different banks.
template <typename A>
struct alignas(16) Tile {
  A values[kTile<A>][kTile<A> + kVectorSize<A>];

  __device__ Vector<A> vector(int row, int column) const {
    return cuda::load<kVectorSize<A>>(&values[row][column]);
  }
};

// The elements of a product of two tiles that one thread holds.
template <typename A>
struct Fragment {
  A values[kVectorSize<A>][kVectorSize<A>] = {};
};

// A matrix in global memory with rows `stride` elements apart. wide: 16 bytes can be loaded at once
// at any multiple of 16 bytes in a row.
template <typename T>
struct Matrix {
  T* data = nullptr;
  int stride = 0, rows = 0, columns = 0;
  bool wide = false;

  __device__ T* at(int row, int column) const { return data + int64_t{row} * stride + column; }
  __device__ Matrix from(int row, int column) const {
    return {at(row, column), stride, rows - row, columns - column, wide};
  }
};

template <typename T>
__device__ Vector<T> load_vector(const Matrix<const T>& from, int row, int column) {
  Vector<T> vector{};
  if (row >= from.rows) return vector;
  const T* const at = from.at(row, column);
  if (from.wide) {
    if (column < from.columns) vector = load<kVectorSize<T>>(at);
  } else {
    for (int i = 0; i < kVectorSize<T>; ++i) {
      if (column + i < from.columns) vector[i] = at[i];
    }
  }
  return vector;
}

// Loads the tile at the first row and column of the matrix, padded with 0. The whole block calls
// it.
template <typename T, typename A>
__device__ void load_tile(Tile<A>& tile, const Matrix<const T>& from) {
  for (int at = static_cast<int>(threadIdx.x) * kVectorSize<T>; at < kTile<A> * kTile<A>;
       at += kBlockSize * kVectorSize<T>) {
    const int row = at / kTile<A>, column = at % kTile<A>;
    const Vector<T> numbers = load_vector(from, row, column);
    Vector<A, kVectorSize<T>> widened;
    unrolled<kVectorSize<T>>([&](int i) { widened[i] = widen(numbers[i]); });
    store(&tile.values[row][column], widened);
  }
}

// sum += a bᵀ.   Element (i, j) of the fragment: row y + 16 i of a, row x + 16 j of b.
template <typename A>
__device__ void add_product_of_rows(Fragment<A>& sum, const Tile<A>& a, const Tile<A>& b) {
  for (int k = 0; k < kTile<A>; k += kVectorSize<A>) {
    Vector<A> of_b[kVectorSize<A>];
    for (int j = 0; j < kVectorSize<A>; ++j) of_b[j] = b.vector(thread_x() + kSide * j, k);
    for (int i = 0; i < kVectorSize<A>; ++i) {
      const Vector<A> of_a = a.vector(thread_y() + kSide * i, k);
      for (int j = 0; j < kVectorSize<A>; ++j) {
        for (int l = 0; l < kVectorSize<A>; ++l) {
          sum.values[i][j] += of_a[l] * of_b[j][l];
        }
      }
    }
  }
}

// sum += a b.   Element (i, j) of the fragment: row y + 16 i of a, column kVectorSize * x + j of b.
template <typename A>
__device__ void add_product(Fragment<A>& sum, const Tile<A>& a, const Tile<A>& b) {
  for (int k = 0; k < kTile<A>; k += kVectorSize<A>) {
    Vector<A> of_b[kVectorSize<A>];
    for (int l = 0; l < kVectorSize<A>; ++l) of_b[l] = b.vector(k + l, thread_x() * kVectorSize<A>);
    for (int i = 0; i < kVectorSize<A>; ++i) {
      const Vector<A> of_a = a.vector(thread_y() + kSide * i, k);
      for (int l = 0; l < kVectorSize<A>; ++l) {
        for (int j = 0; j < kVectorSize<A>; ++j) {
          sum.values[i][j] += of_a[l] * of_b[l][j];
        }
      }
    }
  }
}

// Stores a fragment of add_product_of_rows() to its elements of `tile`.
template <typename A>
__device__ void store_product_of_rows(Tile<A>& tile, const Fragment<A>& fragment) {
  for (int i = 0; i < kVectorSize<A>; ++i) {
    for (int j = 0; j < kVectorSize<A>; ++j) {
      tile.values[thread_y() + kSide * i][thread_x() + kSide * j] = fragment.values[i][j];
    }
  }
}

// Stores a fragment of add_product() to its elements of `to`, with row y + 16 i times factors[i].
template <typename T, typename A>
__device__ void store_product(const Matrix<T>& to, const Fragment<A>& fragment,
                              const A (&factors)[kVectorSize<A>]) {
  const int column = thread_x() * kVectorSize<A>;
  for (int i = 0; i < kVectorSize<A>; ++i) {
    const int row = thread_y() + kSide * i;
    if (row >= to.rows) continue;
    Vector<T, kVectorSize<A>> vector;
    for (int j = 0; j < kVectorSize<A>; ++j) {
      vector[j] = narrow<T>(fragment.values[i][j] * factors[i]);
    }
    T* const at = to.at(row, column);
    if (to.wide) {
      if (column < to.columns) store(at, vector);
    } else {
      for (int j = 0; j < kVectorSize<A>; ++j) {
        if (column + j < to.columns) at[j] = vector[j];
      }
    }
  }
}

// Reduces over the 16 threads with the same y, which are adjacent lanes; all of them get the
// result.
template <typename A, typename Combine>
__device__ A reduce_over_x(A value, Combine combine) {
  for (int offset = kSide / 2; offset > 0; offset /= 2) {
    value = combine(value, __shfl_xor_sync(kWholeWarp, value, offset));
  }
  return value;
}

}  // namespace ripieno::kernels::cuda
