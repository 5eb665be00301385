#include "ripieno/kernels/cuda/device/row_fragment.cuh"
#include "ripieno/kernels/softmax.h"

namespace ripieno::kernels {
namespace {

// One block per row, which it holds in registers.   in, out: (rows, cols).
template <int width, typename T>
__global__ void __launch_bounds__(cuda::kLargestRowBlock<T>, 1)
    softmax_forward_kernel(T* out, const T* in, int64_t cols, bool logarithm) {
  using A = accumulator_t<T>;
  using Fragment = cuda::RowFragment<T, width>;
  Fragment row;
  row.load(in + blockIdx.x * cols, cols);
  A largest = cuda::kLowest<A>, sum = 0, value[cuda::kColumnsPerThread] = {};
  Fragment::for_each(cols, [&](int i) {
    value[i] = cuda::widen(row.element[i]);
    largest = cuda::Max{}(largest, value[i]);
  });
  largest = cuda::block_reduce(largest, cuda::Max{});
  Fragment::for_each(cols, [&](int i) {
    value[i] -= largest;
    const A exponential = std::exp(value[i]);
    sum += exponential;
    if (!logarithm) value[i] = exponential;
  });
  sum = cuda::block_reduce(sum, cuda::Sum{});
  const A log_sum = std::log(sum);
  cuda::unrolled<cuda::kColumnsPerThread>([&](int i) {
    row.element[i] = cuda::narrow<T>(logarithm ? value[i] - log_sum : value[i] / sum);
  });
  row.store(out + blockIdx.x * cols, cols);
}

// One block per row, which it holds in registers.   All: (rows, cols).
template <int width, typename T>
__global__ void __launch_bounds__(cuda::kLargestRowBlock<T>, 1)
    softmax_backward_kernel(T* grad_in, const T* grad_out, const T* out, int64_t cols,
                            bool logarithm) {
  using A = accumulator_t<T>;
  using Fragment = cuda::RowFragment<T, width>;
  const int64_t row = blockIdx.x * cols;
  Fragment gradient, y;
  gradient.load(grad_out + row, cols);
  y.load(out + row, cols);
  A sum[1] = {};
  cuda::unrolled<cuda::kColumnsPerThread>([&](int i) {  // elements outside the matrix are 0
    const A g = cuda::widen(gradient.element[i]);
    sum[0] += logarithm ? g : g * cuda::widen(y.element[i]);
  });
  cuda::block_sum(sum, 0);
  cuda::unrolled<cuda::kColumnsPerThread>([&](int i) {
    const A g = cuda::widen(gradient.element[i]), result = cuda::widen(y.element[i]);
    gradient.element[i] =
        cuda::narrow<T>(logarithm ? g - std::exp(result) * sum[0] : result * (g - sum[0]));
  });
  gradient.store(grad_in + row, cols);
}

// One block per row, for rows that are too long for registers. The same in the kernel below.
template <typename T>
__global__ void wide_forward_kernel(T* out, const T* in, int64_t cols, bool logarithm) {
  using A = accumulator_t<T>;
  const T* const x = in + blockIdx.x * cols;
  T* const y = out + blockIdx.x * cols;

  A largest = cuda::kLowest<A>;
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
    largest = cuda::Max{}(largest, cuda::widen(x[c]));
  }
  largest = cuda::block_reduce(largest, cuda::Max{});

  A sum = 0;
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
    sum += std::exp(cuda::widen(x[c]) - largest);
  }
  sum = cuda::block_reduce(sum, cuda::Sum{});

  const A log_sum = std::log(sum);
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
    const A shifted = cuda::widen(x[c]) - largest;
    y[c] = cuda::narrow<T>(logarithm ? shifted - log_sum : std::exp(shifted) / sum);
  }
}

template <typename T>
__global__ void wide_backward_kernel(T* grad_in, const T* grad_out, const T* out, int64_t cols,
                                     bool logarithm) {
  using A = accumulator_t<T>;
  const int64_t row = blockIdx.x * cols;
  A sum = 0;
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
    const A gradient = cuda::widen(grad_out[row + c]);
    sum += logarithm ? gradient : gradient * cuda::widen(out[row + c]);
  }
  sum = cuda::block_reduce(sum, cuda::Sum{});
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
    const A gradient = cuda::widen(grad_out[row + c]);
    const A y = cuda::widen(out[row + c]);
    grad_in[row + c] =
        cuda::narrow<T>(logarithm ? gradient - std::exp(y) * sum : y * (gradient - sum));
  }
}

}  // namespace

template <typename T>
void softmax_forward(OnCuda on, T* out, const T* in, int64_t rows, int64_t cols, bool logarithm) {
  cuda::LaunchShape shape = cuda::block_each(on, rows);
  if (cols > cuda::kMaxColumns<T>) {
    return cuda::launch(wide_forward_kernel<T>, shape, out, in, cols, logarithm);
  }
  shape.block = dim3(cuda::threads_for_row(cols));
  cuda::for_row_width<T>(cols, cuda::is_aligned(out, in), [&]<int width>() {
    cuda::launch(softmax_forward_kernel<width, T>, shape, out, in, cols, logarithm);
  });
}

template <typename T>
void softmax_backward(OnCuda on, T* grad_in, const T* grad_out, const T* out, int64_t rows,
                      int64_t cols, bool logarithm) {
  cuda::LaunchShape shape = cuda::block_each(on, rows);
  if (cols > cuda::kMaxColumns<T>) {
    return cuda::launch(wide_backward_kernel<T>, shape, grad_in, grad_out, out, cols, logarithm);
  }
  shape.block = dim3(cuda::threads_for_row(cols));
  cuda::for_row_width<T>(cols, cuda::is_aligned(grad_in, grad_out, out), [&]<int width>() {
    cuda::launch(softmax_backward_kernel<width, T>, shape, grad_in, grad_out, out, cols, logarithm);
  });
}

template void softmax_forward(OnCuda, float*, const float*, int64_t, int64_t, bool);
template void softmax_forward(OnCuda, double*, const double*, int64_t, int64_t, bool);
template void softmax_forward(OnCuda, bfloat16*, const bfloat16*, int64_t, int64_t, bool);
template void softmax_forward(OnCuda, float16*, const float16*, int64_t, int64_t, bool);

template void softmax_backward(OnCuda, float*, const float*, const float*, int64_t, int64_t, bool);
template void softmax_backward(OnCuda, double*, const double*, const double*, int64_t, int64_t,
                               bool);
template void softmax_backward(OnCuda, bfloat16*, const bfloat16*, const bfloat16*, int64_t,
                               int64_t, bool);
template void softmax_backward(OnCuda, float16*, const float16*, const float16*, int64_t, int64_t,
                               bool);

}  // namespace ripieno::kernels
