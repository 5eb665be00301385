// Norms of rows that are too long for registers; each pass reads them again. Private to
// kernels/cuda.
#pragma once

#include "ripieno/kernels/cuda/layer_norm_backward.cuh"
#include "ripieno/kernels/cuda/layer_norm_forward.cuh"

namespace ripieno::kernels::cuda {

// One block per row.
template <typename T>
__global__ void wide_forward_kernel(LayerNormForward<T> norm) {
  using A = accumulator_t<T>;
  const T* const x = norm.x + blockIdx.x * norm.cols;
  T* const y = norm.out + blockIdx.x * norm.cols;
  const auto mean_of = [&](auto term) {
    A sum = 0;
    for (int64_t c = threadIdx.x; c < norm.cols; c += blockDim.x) sum += term(widen(x[c]));
    return block_reduce(sum, Sum{}) / static_cast<A>(norm.cols);
  };
  const A mean = mean_of([](A value) { return value; });
  const A variance = mean_of([mean](A value) { return (value - mean) * (value - mean); });
  const A inverse = A(1) / std::sqrt(variance + static_cast<A>(norm.epsilon));
  for (int64_t c = threadIdx.x; c < norm.cols; c += blockDim.x) {
    const A normal = (widen(x[c]) - mean) * inverse;
    y[c] = narrow<T>(norm.weight ? normal * widen(norm.weight[c]) + widen(norm.bias[c]) : normal);
  }
  if (threadIdx.x == 0) {
    norm.mean[blockIdx.x] = mean;
    norm.inverse[blockIdx.x] = inverse;
  }
}

// One block per row.
template <typename T>
__global__ void wide_backward_kernel(LayerNormBackward<T> norm) {
  using A = accumulator_t<T>;
  const int64_t at = blockIdx.x * norm.cols;
  LayerNormRow<A> row{norm.mean[blockIdx.x], norm.inverse[blockIdx.x]};
  const auto scaled = [&](int64_t c) {
    return widen(norm.grad_out[at + c]) * (norm.weight ? widen(norm.weight[c]) : A(1));
  };
  A sum = 0, product = 0;
  for (int64_t c = threadIdx.x; c < norm.cols; c += blockDim.x) {
    sum += scaled(c);
    product += scaled(c) * row.normal(widen(norm.in[at + c]));
  }
  row.mean_gradient = block_reduce(sum, Sum{}) / static_cast<A>(norm.cols);
  row.mean_product = block_reduce(product, Sum{}) / static_cast<A>(norm.cols);
  for (int64_t c = threadIdx.x; c < norm.cols; c += blockDim.x) {
    const A value = row.gradient(scaled(c), widen(norm.in[at + c]));
    T* const out = norm.grad_in + at + c;
    *out = narrow<T>(norm.adds ? widen(*out) + value : value);
  }
}

// One thread per column of one chunk of rows.
template <typename T>
__global__ void wide_chunks_kernel(LayerNormBackward<T> norm, int64_t chunks) {
  using A = accumulator_t<T>;
  const int64_t i = global_thread();
  if (i >= chunks * norm.cols) return;
  const int64_t chunk = i / norm.cols, c = i % norm.cols;
  const int64_t end = (chunk + 1) * norm.rows_per_chunk;
  A of_weight = 0, of_bias = 0;
  for (int64_t r = chunk * norm.rows_per_chunk; r < norm.rows && r < end; ++r) {
    const LayerNormRow<A> row{norm.mean[r], norm.inverse[r]};
    const A gradient = widen(norm.grad_out[r * norm.cols + c]);
    of_weight += gradient * row.normal(widen(norm.in[r * norm.cols + c]));
    of_bias += gradient;
  }
  norm.partials[i] = of_weight;
  norm.partials[chunks * norm.cols + i] = of_bias;
}

// norm.x must already be the sum.
template <typename T>
void launch_wide_forward(OnCuda on, const LayerNormForward<T>& norm) {
  launch(wide_forward_kernel<T>, block_each(on, norm.rows), norm);
}

// Does not write grad_branch. Returns the number of chunks.
template <typename T>
int64_t launch_wide_backward(OnCuda on, LayerNormBackward<T> norm) {
  norm.rows_per_chunk = kLayerNormRowChunk;
  const int64_t chunks = ceil_divide(norm.rows, norm.rows_per_chunk);
  if (norm.partials) {  // before the other kernel, because grad_in may alias grad_out
    launch(wide_chunks_kernel<T>, thread_each(on, chunks * norm.cols), norm, chunks);
  }
  launch(wide_backward_kernel<T>, block_each(on, norm.rows), norm);
  return chunks;
}

}  // namespace ripieno::kernels::cuda
