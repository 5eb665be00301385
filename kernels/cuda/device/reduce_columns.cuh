// Reduction over the rows of a matrix in two steps: of each chunk of rows, then of their results.
// Private to kernels/cuda.
//
// Each element is read once. A block reduces a strip of columns; each of its threads loads four
// rows before it combines them.
#pragma once

#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/reduce.h"

namespace ripieno::kernels::cuda {

template <Reduction reduction>
struct Reducing {
  template <typename A>
  static constexpr A kIdentity = reduction == Reduction::kSum       ? A(0)
                                 : reduction == Reduction::kMax     ? kLowest<A>
                                 : reduction == Reduction::kProduct ? A(1)
                                                                    : -kLowest<A>;

  template <typename A>
  __device__ A operator()(A a, A b) const {
    if constexpr (reduction == Reduction::kSum) {
      return Sum{}(a, b);
    } else if constexpr (reduction == Reduction::kMax) {
      return Max{}(a, b);
    } else if constexpr (reduction == Reduction::kProduct) {
      return a * b;
    } else {
      return a != a || a < b ? a : b;
    }
  }
};

// Host only. Calls body.operator()<reduction>().
template <typename Body>
void for_reduction(Reduction reduction, Body body) {
  switch (reduction) {
    case Reduction::kSum:
      return body.template operator()<Reduction::kSum>();
    case Reduction::kMax:
      return body.template operator()<Reduction::kMax>();
    case Reduction::kMin:
      return body.template operator()<Reduction::kMin>();
    case Reduction::kProduct:
      return body.template operator()<Reduction::kProduct>();
  }
}

// *out = scale * value (+ *out if `accumulate`).
template <typename T>
__device__ void write_reduced(T* out, accumulator_t<T> value, double scale, bool accumulate) {
  value *= static_cast<accumulator_t<T>>(scale);
  *out = narrow<T>(accumulate ? widen(*out) + value : value);
}

// Arrangement of a block's threads: kLanes across a strip of columns, kRows down.
template <int width>
struct ColumnBlock {
  static constexpr int kLanes = width == 1 ? kWarpSize : 8;  // about 128 bytes
  static constexpr int kRows = kBlockSize / kLanes;
  static constexpr int kColumns = kLanes * width;
};

// One block per strip of columns and chunk of rows.   in: (rows, cols); out: (chunks, cols).
template <Reduction reduction, int width, typename Out, typename In>
__global__ void __launch_bounds__(kBlockSize)
    reduce_columns_kernel(Out* out, const In* in, int64_t rows, int64_t cols,
                          int64_t rows_per_chunk, double scale, bool accumulate) {
  using A = accumulator_t<In>;
  using Block = ColumnBlock<width>;
  constexpr int kAtOnce = 4;
  auto& of_rows = block_shared<A[Block::kRows][Block::kColumns]>();
  const Reducing<reduction> combine;
  const int64_t strips = ceil_divide(cols, Block::kColumns);
  const int64_t strip = blockIdx.x % strips, chunk = blockIdx.x / strips;
  const int row_in_block = static_cast<int>(threadIdx.x) / Block::kLanes;
  const int column_in_block = static_cast<int>(threadIdx.x) % Block::kLanes * width;
  const int64_t column = strip * Block::kColumns + column_in_block;
  const int64_t begin = chunk * rows_per_chunk + row_in_block;
  const int64_t end = (chunk + 1) * rows_per_chunk < rows ? (chunk + 1) * rows_per_chunk : rows;

  A value[width];
  unrolled<width>([&](int k) { value[k] = Reducing<reduction>::template kIdentity<A>; });
  for (int64_t first = begin; column < cols && first < end; first += kAtOnce * Block::kRows) {
    Vector<In, width> row[kAtOnce];
    unrolled<kAtOnce>([&](int r) {
      const int64_t at = first + r * Block::kRows;
      if (at < end) row[r] = load<width>(in + at * cols + column);
    });
    unrolled<kAtOnce>([&](int r) {
      if (first + r * Block::kRows >= end) return;
      unrolled<width>([&](int k) { value[k] = combine(value[k], widen(row[r][k])); });
    });
  }
  unrolled<width>([&](int k) { of_rows[row_in_block][column_in_block + k] = value[k]; });
  __syncthreads();
  const int64_t out_column = strip * Block::kColumns + threadIdx.x;
  if (threadIdx.x >= Block::kColumns || out_column >= cols) return;
  A total = of_rows[0][threadIdx.x];
  for (int r = 1; r < Block::kRows; ++r) total = combine(total, of_rows[r][threadIdx.x]);
  write_reduced(out + chunk * cols + out_column, static_cast<accumulator_t<Out>>(total), scale,
                accumulate);
}

template <Reduction reduction, typename Out, typename In>
void launch_reduce_columns(OnCuda on, Out* out, const In* in, int64_t rows, int64_t cols,
                           int64_t chunks, double scale, bool accumulate) {
  const auto start = [&]<int width>() {
    const int64_t strips = ceil_divide(cols, ColumnBlock<width>::kColumns);
    launch(reduce_columns_kernel<reduction, width, Out, In>, block_each(on, strips * chunks), out,
           in, rows, cols, ceil_divide(rows, chunks), scale, accumulate);
  };
  if (is_aligned(in) && cols % kVectorSize<In> == 0) {
    start.template operator()<kVectorSize<In>>();
  } else {
    start.template operator()<1>();
  }
}

// out[c] = scale * reduction over r of in[r, c] (+ out[c] if `accumulate`).   in: (rows, cols);
// out: (cols); partials: (chunks, cols).
template <typename T>
void reduce_in_chunks(OnCuda on, T* out, accumulator_t<T>* partials, const T* in, int64_t rows,
                      int64_t cols, int64_t chunks, Reduction reduction, double scale,
                      bool accumulate) {
  for_reduction(reduction, [&]<Reduction known>() {
    launch_reduce_columns<known>(on, partials, in, rows, cols, chunks, 1.0, false);
    launch_reduce_columns<known>(on, out, static_cast<const accumulator_t<T>*>(partials), chunks,
                                 cols, 1, scale, accumulate);
  });
}

}  // namespace ripieno::kernels::cuda
