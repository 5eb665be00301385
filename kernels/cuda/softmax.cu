#include "ripieno/kernels/cuda/device.cuh"
#include "ripieno/kernels/softmax.h"

namespace ripieno::kernels {
namespace {

// One block a row.   in, out: (rows, cols)
template <typename T>
__global__ void forward_kernel(T* out, const T* in, int64_t cols, bool logarithm) {
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
    y[c] = static_cast<T>(logarithm ? shifted - log_sum : std::exp(shifted) / sum);
  }
}

// One block a row.   all: (rows, cols)
template <typename T>
__global__ void backward_kernel(T* grad_in, const T* grad_out, const T* out, int64_t cols,
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
        static_cast<T>(logarithm ? gradient - std::exp(y) * sum : y * (gradient - sum));
  }
}

}  // namespace

template <typename T>
void softmax_forward(OnCuda on, T* out, const T* in, int64_t rows, int64_t cols, bool logarithm) {
  cuda::launch(forward_kernel<T>, cuda::block_each(on, rows), out, in, cols, logarithm);
}

template <typename T>
void softmax_backward(OnCuda on, T* grad_in, const T* grad_out, const T* out, int64_t rows,
                      int64_t cols, bool logarithm) {
  cuda::launch(backward_kernel<T>, cuda::block_each(on, rows), grad_in, grad_out, out, cols,
               logarithm);
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
