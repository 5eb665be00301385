// Backward of a norm in one pass: each row of the input and of the output's gradient is read once.
//
// Moves 3 elements per element of the matrix; 4 if the gradient is accumulated; one more if there
// is a dropped branch.
#pragma once

#include "ripieno/kernels/cuda/device/row_fragment.cuh"
#include "ripieno/kernels/cuda/dropout.cuh"
#include "ripieno/kernels/layer_norm.h"

namespace ripieno::kernels::cuda {

template <typename T>
struct LayerNormBackward {
  T *grad_in, *grad_branch;               // (rows, cols); grad_branch: null if there is no branch
  accumulator_t<T>* partials;             // (2, chunks, cols): for weight, then for bias; or null
  const T *grad_out, *in, *weight;        // (rows, cols), (rows, cols), (cols) or null
  const accumulator_t<T>*mean, *inverse;  // (rows); inverse: of the standard deviation
  bool adds;                              // whether the gradient is added to grad_in
  int64_t rows, cols, rows_per_chunk;
  Dropping<T> dropping;
};

// Computes the gradient of one row from two means over it.
template <typename A>
struct LayerNormRow {
  A mean, inverse;
  A mean_gradient = 0, mean_product = 0;  // means of gradient * weight, and of that * normal(x)

  __device__ A normal(A x) const { return (x - mean) * inverse; }
  __device__ A gradient(A scaled, A x) const {
    return (scaled - mean_gradient - normal(x) * mean_product) * inverse;
  }
};

// A block processes a chunk of rows, kRowsAtOnce at a time; a thread has kColumnsPerThread columns.
template <int width, typename T>
__global__ void __launch_bounds__(kLargestRowBlock<T>, 1)
    layer_norm_backward_kernel(LayerNormBackward<T> norm) {
  using A = accumulator_t<T>;
  using Fragment = RowFragment<T, width>;
  constexpr int at_once = kRowsAtOnce<T, width>;
  const int64_t begin = blockIdx.x * norm.rows_per_chunk;
  const int64_t end =
      begin + norm.rows_per_chunk < norm.rows ? begin + norm.rows_per_chunk : norm.rows;
  Fragment weight;
  if (norm.weight) weight.load(norm.weight, norm.cols);
  const auto scaled = [&](const Fragment& gradient, int i) {
    return norm.weight ? widen(gradient.element[i]) * widen(weight.element[i])
                       : widen(gradient.element[i]);
  };

  A of_weight[kColumnsPerThread] = {}, of_bias[kColumnsPerThread] = {};
  int buffer = 0;
  for (int64_t first = begin; first < end; first += at_once, buffer = 1 - buffer) {
    const auto cols_of = [&](int r) { return first + r < end ? norm.cols : 0; };
    Fragment gradient[at_once], x[at_once], before[at_once];
    LayerNormRow<A> row[at_once] = {};
    unrolled<at_once>([&](int r) {
      const int64_t at = (first + r) * norm.cols;
      gradient[r].load(norm.grad_out + at, cols_of(r));
      x[r].load(norm.in + at, cols_of(r));
      if (norm.adds) before[r].load(norm.grad_in + at, cols_of(r));
      if (first + r < end) row[r] = {norm.mean[first + r], norm.inverse[first + r]};
    });

    A sums[2 * at_once] = {};
    unrolled<at_once>([&](int r) {
      unrolled<kColumnsPerThread>([&](int i) {  // elements outside the matrix are 0
        const A normal = row[r].normal(widen(x[r].element[i]));
        sums[2 * r] += scaled(gradient[r], i);
        sums[2 * r + 1] += scaled(gradient[r], i) * normal;
        of_weight[i] += widen(gradient[r].element[i]) * normal;
        of_bias[i] += widen(gradient[r].element[i]);
      });
    });
    block_sum(sums, buffer);

    unrolled<at_once>([&](int r) {
      row[r].mean_gradient = sums[2 * r] / static_cast<A>(norm.cols);
      row[r].mean_product = sums[2 * r + 1] / static_cast<A>(norm.cols);
      Fragment result;
      unrolled<kColumnsPerThread>([&](int i) {
        const A value = row[r].gradient(scaled(gradient[r], i), widen(x[r].element[i]));
        result.element[i] = narrow<T>(norm.adds ? widen(before[r].element[i]) + value : value);
      });
      const int64_t at = (first + r) * norm.cols;
      result.store(norm.grad_in + at, cols_of(r));
      if (norm.grad_branch == nullptr) return;
      for_each_vector<width>(cols_of(r), [&](int v) {
        const int64_t index = at + column_of<width>(v);
        store(norm.grad_branch + index, dropped(norm.dropping, index, result.vector(v)));
      });
    });
  }

  if (norm.partials == nullptr) return;
  const int64_t to_weight = blockIdx.x * norm.cols, to_bias = to_weight + gridDim.x * norm.cols;
  for_each_vector<width>(norm.cols, [&](int v) {
    unrolled<width>([&](int k) {
      norm.partials[to_weight + column_of<width>(v) + k] = of_weight[v * width + k];
      norm.partials[to_bias + column_of<width>(v) + k] = of_bias[v * width + k];
    });
  });
}

// One block per 32 columns; a warp sums every 32nd chunk.   partials: (2, chunks, cols).
template <typename T>
__global__ void __launch_bounds__(1024)
    add_layer_norm_chunks_kernel(T* grad_weight, T* grad_bias, const accumulator_t<T>* partials,
                                 int64_t cols, int64_t chunks, LayerNormAccumulate accumulate) {
  using A = accumulator_t<T>;
  auto& of_warps = block_shared<A[2][kMaxWarpsPerBlock][kWarpSize]>();
  const int64_t column = int64_t{blockIdx.x} * kWarpSize + lane();
  const unsigned warp = threadIdx.x / kWarpSize;
  A of_weight = 0, of_bias = 0;
  if (column < cols) {
    for (int64_t chunk = warp; chunk < chunks; chunk += kMaxWarpsPerBlock) {
      of_weight += partials[chunk * cols + column];
      of_bias += partials[(chunks + chunk) * cols + column];
    }
  }
  of_warps[0][warp][lane()] = of_weight;
  of_warps[1][warp][lane()] = of_bias;
  __syncthreads();
  if (warp > 1 || column >= cols) return;
  A sum = 0;
  for (int from = 0; from < kMaxWarpsPerBlock; ++from) sum += of_warps[warp][from][lane()];
  T* const out = (warp == 0 ? grad_weight : grad_bias) + column;
  const bool adds = warp == 0 ? accumulate.weight : accumulate.bias;
  *out = narrow<T>(adds ? widen(*out) + sum : sum);
}

// Chosen so that there are enough chunks to fill a large GPU, but so few that adding them up costs
// little. It does not depend on the device, because the order of summation depends on it.
inline int64_t rows_per_chunk(int64_t rows, int64_t cols) {
  const int64_t most_chunks = std::max<int64_t>(512, 49152 / threads_for_row(cols));
  return std::max(kLayerNormRowChunk, ceil_divide(rows, most_chunks));
}

// Returns the number of chunks.
template <typename T>
int64_t launch_layer_norm_backward(OnCuda on, LayerNormBackward<T> norm) {
  norm.rows_per_chunk = rows_per_chunk(norm.rows, norm.cols);
  const int64_t chunks = ceil_divide(norm.rows, norm.rows_per_chunk);
  const bool in_vectors =
      is_aligned(norm.grad_in, norm.grad_branch, norm.grad_out, norm.in, norm.weight) &&
      norm.dropping.fits(kVectorSize<T>);
  for_row_width<T>(norm.cols, in_vectors, [&]<int width>() {
    const LaunchShape shape{dim3(static_cast<unsigned>(chunks)), dim3(threads_for_row(norm.cols)),
                            0, on.stream};
    launch(layer_norm_backward_kernel<width, T>, shape, norm);
  });
  return chunks;
}

// Adds up the partial sums of launch_layer_norm_backward().   partials: (2, chunks, cols).
template <typename T>
void add_layer_norm_chunks(OnCuda on, T* grad_weight, T* grad_bias,
                           const accumulator_t<T>* partials, int64_t cols, int64_t chunks,
                           LayerNormAccumulate accumulate) {
  const auto blocks = static_cast<unsigned>(ceil_divide(cols, kWarpSize));
  const LaunchShape shape{dim3(blocks), dim3(kMaxWarpsPerBlock * kWarpSize), 0, on.stream};
  launch(add_layer_norm_chunks_kernel<T>, shape, grad_weight, grad_bias, partials, cols, chunks,
         accumulate);
}

}  // namespace ripieno::kernels::cuda
