#include "ripieno/kernels/cuda/device/row_fragment.cuh"
#include "ripieno/kernels/rms_norm.h"

namespace ripieno::kernels {
namespace cuda {
namespace {

// One block per row, which it holds in registers.
template <int width, typename T>
__global__ void __launch_bounds__(kLargestRowBlock<T>, 1)
    rms_norm_forward_kernel(RmsNormForwardArguments<T> norm) {
  using A = accumulator_t<T>;
  using Fragment = RowFragment<T, width>;
  const int64_t at = blockIdx.x * norm.cols;
  Fragment x, weight;
  x.load(norm.x + at, norm.cols);
  if (norm.weight) weight.load(norm.weight, norm.cols);
  if (norm.branch) {
    Fragment branch;
    branch.load(norm.branch + at, norm.cols);
    unrolled<kColumnsPerThread>(
        [&](int i) { x.element[i] = narrow<T>(widen(x.element[i]) + widen(branch.element[i])); });
    x.store(norm.sum + at, norm.cols);
  }
  A squares[1] = {};  // elements outside the row are 0
  unrolled<kColumnsPerThread>(
      [&](int i) { squares[0] += widen(x.element[i]) * widen(x.element[i]); });
  block_sum(squares, 0);
  const A inverse =
      A(1) / std::sqrt(squares[0] / static_cast<A>(norm.cols) + static_cast<A>(norm.epsilon));
  Fragment out;
  unrolled<kColumnsPerThread>([&](int i) {
    const A normal = widen(x.element[i]) * inverse;
    out.element[i] = narrow<T>(norm.weight ? normal * widen(weight.element[i]) : normal);
  });
  out.store(norm.out + at, norm.cols);
  if (threadIdx.x == 0) norm.inverse[blockIdx.x] = inverse;
}

// The same for rows that are too long for registers.
template <typename T>
__global__ void wide_rms_norm_forward_kernel(RmsNormForwardArguments<T> norm) {
  using A = accumulator_t<T>;
  const int64_t at = blockIdx.x * norm.cols;
  const T* const x = norm.branch ? norm.sum + at : norm.x + at;
  A squares = 0;
  for (int64_t c = threadIdx.x; c < norm.cols; c += blockDim.x) {
    if (norm.branch) {
      norm.sum[at + c] = narrow<T>(widen(norm.x[at + c]) + widen(norm.branch[at + c]));
    }
    squares += widen(x[c]) * widen(x[c]);
  }
  squares = block_reduce(squares, Sum{});
  const A inverse =
      A(1) / std::sqrt(squares / static_cast<A>(norm.cols) + static_cast<A>(norm.epsilon));
  for (int64_t c = threadIdx.x; c < norm.cols; c += blockDim.x) {
    const A normal = widen(x[c]) * inverse;
    norm.out[at + c] = narrow<T>(norm.weight ? normal * widen(norm.weight[c]) : normal);
  }
  if (threadIdx.x == 0) norm.inverse[blockIdx.x] = inverse;
}

// One block per chunk of rows, one row at a time, which it holds in registers.
template <int width, typename T>
__global__ void __launch_bounds__(kLargestRowBlock<T>, 1)
    rms_norm_backward_kernel(RmsNormBackwardArguments<T> norm, int64_t rows_per_chunk) {
  using A = accumulator_t<T>;
  using Fragment = RowFragment<T, width>;
  const int64_t begin = blockIdx.x * rows_per_chunk;
  const int64_t end = begin + rows_per_chunk < norm.rows ? begin + rows_per_chunk : norm.rows;
  Fragment weight;
  if (norm.weight) weight.load(norm.weight, norm.cols);
  A of_weight[kColumnsPerThread] = {};
  int buffer = 0;
  for (int64_t row = begin; row < end; ++row, buffer = 1 - buffer) {
    const int64_t at = row * norm.cols;
    Fragment gradient, x, before;
    gradient.load(norm.grad_out + at, norm.cols);
    x.load(norm.in + at, norm.cols);
    if (norm.accumulate_in) before.load(norm.grad_in + at, norm.cols);
    const A inverse = norm.inverse[row];
    A product[1] = {};
    const auto scaled = [&](int i) {
      const A g = widen(gradient.element[i]);
      return norm.weight ? g * widen(weight.element[i]) : g;
    };
    unrolled<kColumnsPerThread>([&](int i) {
      const A normal = widen(x.element[i]) * inverse;
      product[0] += scaled(i) * normal;
      of_weight[i] += widen(gradient.element[i]) * normal;
    });
    block_sum(product, buffer);
    const A mean = product[0] / static_cast<A>(norm.cols);
    Fragment result;
    unrolled<kColumnsPerThread>([&](int i) {
      const A value = inverse * (scaled(i) - widen(x.element[i]) * inverse * mean);
      result.element[i] = narrow<T>(norm.accumulate_in ? widen(before.element[i]) + value : value);
    });
    result.store(norm.grad_in + at, norm.cols);
  }
  if (norm.grad_weight == nullptr) return;
  for_each_vector<width>(norm.cols, [&](int v) {
    unrolled<width>([&](int k) {
      norm.partials[blockIdx.x * norm.cols + column_of<width>(v) + k] = of_weight[v * width + k];
    });
  });
}

// The same for rows that are too long for registers; adds up partial sums in memory.
template <typename T>
__global__ void wide_rms_norm_backward_kernel(RmsNormBackwardArguments<T> norm,
                                              int64_t rows_per_chunk) {
  using A = accumulator_t<T>;
  const int64_t begin = blockIdx.x * rows_per_chunk;
  const int64_t end = begin + rows_per_chunk < norm.rows ? begin + rows_per_chunk : norm.rows;
  A* const partials = norm.grad_weight ? norm.partials + blockIdx.x * norm.cols : nullptr;
  for (int64_t row = begin; row < end; ++row) {
    const T *const g = norm.grad_out + row * norm.cols, *const x = norm.in + row * norm.cols;
    const A inverse = norm.inverse[row];
    A product = 0;
    for (int64_t c = threadIdx.x; c < norm.cols; c += blockDim.x) {
      const A normal = widen(x[c]) * inverse;
      product += widen(g[c]) * (norm.weight ? widen(norm.weight[c]) : A(1)) * normal;
      if (partials) partials[c] = (row == begin ? A(0) : partials[c]) + widen(g[c]) * normal;
    }
    const A mean = block_reduce(product, Sum{}) / static_cast<A>(norm.cols);
    T* const out = norm.grad_in + row * norm.cols;
    for (int64_t c = threadIdx.x; c < norm.cols; c += blockDim.x) {
      const A scaled = widen(g[c]) * (norm.weight ? widen(norm.weight[c]) : A(1));
      const A value = inverse * (scaled - widen(x[c]) * inverse * mean);
      out[c] = narrow<T>(norm.accumulate_in ? widen(out[c]) + value : value);
    }
  }
}

// One warp per column.   partials: (chunks, cols).
template <typename T>
__global__ void add_rms_norm_chunks_kernel(T* grad_weight, const accumulator_t<T>* partials,
                                           int64_t chunks, int64_t cols, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t column = global_warp();
  if (column >= cols) return;
  A sum = 0;
  for (int64_t chunk = lane(); chunk < chunks; chunk += kWarpSize) {
    sum += partials[chunk * cols + column];
  }
  sum = warp_reduce(sum, Sum{});
  if (lane() > 0) return;
  grad_weight[column] = narrow<T>(accumulate ? widen(grad_weight[column]) + sum : sum);
}

}  // namespace
}  // namespace cuda

template <typename T>
void rms_norm_forward(OnCuda on, const RmsNormForwardArguments<T>& norm) {
  if (norm.cols > cuda::kMaxColumns<T>) {
    cuda::launch(cuda::wide_rms_norm_forward_kernel<T>, cuda::block_each(on, norm.rows), norm);
    return;
  }
  const bool in_vectors = cuda::is_aligned(norm.out, norm.sum, norm.x, norm.branch, norm.weight);
  cuda::for_row_width<T>(norm.cols, in_vectors, [&]<int width>() {
    const cuda::LaunchShape shape{dim3(static_cast<unsigned>(norm.rows)),
                                  dim3(cuda::threads_for_row(norm.cols)), 0, on.stream};
    cuda::launch(cuda::rms_norm_forward_kernel<width, T>, shape, norm);
  });
}

template <typename T>
void rms_norm_backward(OnCuda on, const RmsNormBackwardArguments<T>& norm) {
  const int64_t each = rms_norm_rows_per_chunk(norm.rows), chunks = rms_norm_chunks(norm.rows);
  if (norm.cols > cuda::kMaxColumns<T>) {
    cuda::launch(cuda::wide_rms_norm_backward_kernel<T>, cuda::block_each(on, chunks), norm, each);
  } else {
    const bool in_vectors = cuda::is_aligned(norm.grad_in, norm.grad_out, norm.in, norm.weight);
    cuda::for_row_width<T>(norm.cols, in_vectors, [&]<int width>() {
      const cuda::LaunchShape shape{dim3(static_cast<unsigned>(chunks)),
                                    dim3(cuda::threads_for_row(norm.cols)), 0, on.stream};
      cuda::launch(cuda::rms_norm_backward_kernel<width, T>, shape, norm, each);
    });
  }
  if (norm.grad_weight == nullptr) return;
  cuda::launch(cuda::add_rms_norm_chunks_kernel<T>, cuda::warp_each(on, norm.cols),
               norm.grad_weight, norm.partials, chunks, norm.cols, norm.accumulate_weight);
}

template void rms_norm_forward(OnCuda, const RmsNormForwardArguments<float>&);
template void rms_norm_forward(OnCuda, const RmsNormForwardArguments<double>&);
template void rms_norm_forward(OnCuda, const RmsNormForwardArguments<bfloat16>&);
template void rms_norm_forward(OnCuda, const RmsNormForwardArguments<float16>&);

template void rms_norm_backward(OnCuda, const RmsNormBackwardArguments<float>&);
template void rms_norm_backward(OnCuda, const RmsNormBackwardArguments<double>&);
template void rms_norm_backward(OnCuda, const RmsNormBackwardArguments<bfloat16>&);
template void rms_norm_backward(OnCuda, const RmsNormBackwardArguments<float16>&);

}  // namespace ripieno::kernels
