#include "ripieno/kernels/cuda/device.cuh"
#include "ripieno/kernels/layer_norm.h"

namespace ripieno::kernels {
namespace {

// One block a row.   in, out: (rows, cols); weight, bias: (cols) or null
template <typename T>
__global__ void forward_kernel(T* out, accumulator_t<T>* mean, accumulator_t<T>* inverse_deviation,
                               const T* in, const T* weight, const T* bias, int64_t cols,
                               double epsilon) {
  using A = accumulator_t<T>;
  const T* const x = in + blockIdx.x * cols;
  T* const y = out + blockIdx.x * cols;

  A sum = 0;
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) sum += cuda::widen(x[c]);
  const A m = cuda::block_reduce(sum, cuda::Sum{}) / static_cast<A>(cols);

  A squares = 0;
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
    const A difference = cuda::widen(x[c]) - m;
    squares += difference * difference;
  }
  const A variance = cuda::block_reduce(squares, cuda::Sum{}) / static_cast<A>(cols);
  const A inverse = A(1) / std::sqrt(variance + static_cast<A>(epsilon));

  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
    const A normal = (cuda::widen(x[c]) - m) * inverse;
    y[c] = static_cast<T>(weight ? normal * cuda::widen(weight[c]) + cuda::widen(bias[c]) : normal);
  }
  if (threadIdx.x == 0) {
    mean[blockIdx.x] = m;
    inverse_deviation[blockIdx.x] = inverse;
  }
}

// One block a row.   grad_in, grad_out, in: (rows, cols)
template <typename T>
__global__ void backward_kernel(T* grad_in, const T* grad_out, const T* in, const T* weight,
                                const accumulator_t<T>* mean,
                                const accumulator_t<T>* inverse_deviation, int64_t cols) {
  using A = accumulator_t<T>;
  const int64_t row = blockIdx.x * cols;
  const A m = mean[blockIdx.x];
  const A inverse = inverse_deviation[blockIdx.x];
  const auto normal_at = [&](int64_t c) { return (cuda::widen(in[row + c]) - m) * inverse; };
  const auto gradient_at = [&](int64_t c) {
    return cuda::widen(grad_out[row + c]) * (weight ? cuda::widen(weight[c]) : A(1));
  };

  A sum = 0, product = 0;
  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
    sum += gradient_at(c);
    product += gradient_at(c) * normal_at(c);
  }
  sum = cuda::block_reduce(sum, cuda::Sum{}) / static_cast<A>(cols);
  product = cuda::block_reduce(product, cuda::Sum{}) / static_cast<A>(cols);

  for (int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
    const A gradient = (gradient_at(c) - sum - normal_at(c) * product) * inverse;
    grad_in[row + c] = static_cast<T>(gradient);
  }
}

// One thread a column of one chunk of rows.   partials: (2, chunks, cols), weight's then bias's
template <typename T>
__global__ void sum_chunks_kernel(accumulator_t<T>* partials, const T* grad_out, const T* in,
                                  const accumulator_t<T>* mean,
                                  const accumulator_t<T>* inverse_deviation, int64_t rows,
                                  int64_t cols, int64_t chunks) {
  using A = accumulator_t<T>;
  const int64_t i = cuda::global_thread();
  if (i >= chunks * cols) return;
  const int64_t chunk = i / cols, c = i % cols;
  const int64_t end = (chunk + 1) * kLayerNormRowChunk;
  A of_weight = 0, of_bias = 0;
  for (int64_t r = chunk * kLayerNormRowChunk; r < rows && r < end; ++r) {
    const A gradient = cuda::widen(grad_out[r * cols + c]);
    of_weight += gradient * (cuda::widen(in[r * cols + c]) - mean[r]) * inverse_deviation[r];
    of_bias += gradient;
  }
  partials[i] = of_weight;
  partials[chunks * cols + i] = of_bias;
}

// One thread a column.
template <typename T>
__global__ void add_chunks_kernel(T* grad_weight, T* grad_bias, const accumulator_t<T>* partials,
                                  int64_t cols, int64_t chunks, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t c = cuda::global_thread();
  if (c >= cols) return;
  A of_weight = 0, of_bias = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    of_weight += partials[chunk * cols + c];
    of_bias += partials[(chunks + chunk) * cols + c];
  }
  grad_weight[c] = static_cast<T>(accumulate ? cuda::widen(grad_weight[c]) + of_weight : of_weight);
  grad_bias[c] = static_cast<T>(accumulate ? cuda::widen(grad_bias[c]) + of_bias : of_bias);
}

}  // namespace

template <typename T>
void layer_norm_forward(OnCuda on, T* out, accumulator_t<T>* mean,
                        accumulator_t<T>* inverse_deviation, const T* in, const T* weight,
                        const T* bias, int64_t rows, int64_t cols, double epsilon) {
  cuda::launch(forward_kernel<T>, cuda::block_each(on, rows), out, mean, inverse_deviation, in,
               weight, bias, cols, epsilon);
}

template <typename T>
void layer_norm_backward(OnCuda on, T* grad_in, T* grad_weight, T* grad_bias, void* workspace,
                         const T* grad_out, const T* in, const T* weight,
                         const accumulator_t<T>* mean, const accumulator_t<T>* inverse_deviation,
                         int64_t rows, int64_t cols, bool accumulate) {
  if (grad_weight) {  // first: grad_in may overwrite grad_out
    auto* const partials = static_cast<accumulator_t<T>*>(workspace);
    const int64_t chunks = cuda::ceil_divide(rows, kLayerNormRowChunk);
    cuda::launch(sum_chunks_kernel<T>, cuda::thread_each(on, chunks * cols), partials, grad_out, in,
                 mean, inverse_deviation, rows, cols, chunks);
    cuda::launch(add_chunks_kernel<T>, cuda::thread_each(on, cols), grad_weight, grad_bias,
                 partials, cols, chunks, accumulate);
  }
  cuda::launch(backward_kernel<T>, cuda::block_each(on, rows), grad_in, grad_out, in, weight, mean,
               inverse_deviation, cols);
}

template void layer_norm_forward(OnCuda, float*, float*, float*, const float*, const float*,
                                 const float*, int64_t, int64_t, double);
template void layer_norm_forward(OnCuda, double*, double*, double*, const double*, const double*,
                                 const double*, int64_t, int64_t, double);
template void layer_norm_forward(OnCuda, bfloat16*, float*, float*, const bfloat16*,
                                 const bfloat16*, const bfloat16*, int64_t, int64_t, double);
template void layer_norm_forward(OnCuda, float16*, float*, float*, const float16*, const float16*,
                                 const float16*, int64_t, int64_t, double);

template void layer_norm_backward(OnCuda, float*, float*, float*, void*, const float*, const float*,
                                  const float*, const float*, const float*, int64_t, int64_t, bool);
template void layer_norm_backward(OnCuda, double*, double*, double*, void*, const double*,
                                  const double*, const double*, const double*, const double*,
                                  int64_t, int64_t, bool);
template void layer_norm_backward(OnCuda, bfloat16*, bfloat16*, bfloat16*, void*, const bfloat16*,
                                  const bfloat16*, const bfloat16*, const float*, const float*,
                                  int64_t, int64_t, bool);
template void layer_norm_backward(OnCuda, float16*, float16*, float16*, void*, const float16*,
                                  const float16*, const float16*, const float*, const float*,
                                  int64_t, int64_t, bool);

}  // namespace ripieno::kernels
