#include "ripieno/kernels/cross_entropy.h"
#include "ripieno/kernels/cuda/device.cuh"

namespace ripieno::kernels {
namespace {

// What a row adds to the loss, given the logarithm of its sum.
template <typename T>
__device__ accumulator_t<T> row_loss(const T* logits, int32_t target, int64_t classes,
                                     int32_t ignored, accumulator_t<T> log_sum) {
  using A = accumulator_t<T>;
  if (target == ignored) return A(0);
  if (target < 0 || target >= classes) return std::numeric_limits<A>::quiet_NaN();
  return log_sum - cuda::widen(logits[target]);
}

// Every thread of the block gets log(sum(exp(logits))).
template <typename T>
__device__ accumulator_t<T> log_sum_of_exp(const T* logits, int64_t classes) {
  using A = accumulator_t<T>;
  A largest = cuda::kLowest<A>;
  for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
    largest = cuda::Max{}(largest, cuda::widen(logits[c]));
  }
  largest = cuda::block_reduce(largest, cuda::Max{});
  A sum = 0;
  for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
    sum += std::exp(cuda::widen(logits[c]) - largest);
  }
  return largest + std::log(cuda::block_reduce(sum, cuda::Sum{}));
}

// By a block.   grad may alias logits.
template <typename T>
__device__ void write_row_gradient(T* grad, const T* logits, int32_t target, int64_t classes,
                                   int32_t ignored, accumulator_t<T> log_sum,
                                   accumulator_t<T> scale) {
  using A = accumulator_t<T>;
  const bool counts = target != ignored && target >= 0 && target < classes;
  for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
    const A probability = std::exp(cuda::widen(logits[c]) - log_sum);
    const A gradient = scale * (probability - (c == target ? A(1) : A(0)));
    grad[c] = static_cast<T>(counts ? gradient : A(0));
  }
}

// One block a row.
template <typename T>
__global__ void forward_kernel(accumulator_t<T>* row_losses, accumulator_t<T>* log_sum_exp,
                               const T* logits, const int32_t* targets, LogitsShape shape,
                               int32_t ignored) {
  const T* const row = logits + blockIdx.x * shape.stride;
  const accumulator_t<T> log_sum = log_sum_of_exp(row, shape.classes);
  if (threadIdx.x != 0) return;
  if (log_sum_exp) log_sum_exp[blockIdx.x] = log_sum;
  row_losses[blockIdx.x] = row_loss(row, targets[blockIdx.x], shape.classes, ignored, log_sum);
}

// One block a row.
template <typename T>
__global__ void in_place_kernel(accumulator_t<T>* row_losses, T* logits, const int32_t* targets,
                                LogitsShape shape, int32_t ignored, accumulator_t<T> scale) {
  T* const row = logits + blockIdx.x * shape.stride;
  const int32_t target = targets[blockIdx.x];
  const accumulator_t<T> log_sum = log_sum_of_exp(row, shape.classes);
  if (threadIdx.x == 0) {
    row_losses[blockIdx.x] = row_loss(row, target, shape.classes, ignored, log_sum);
  }
  __syncthreads();  // the target's logit is about to be overwritten
  write_row_gradient(row, row, target, shape.classes, ignored, log_sum, scale);
}

// One block for all.
template <typename A>
__global__ void add_rows_kernel(A* loss_sum, A* count, const A* row_losses, const int32_t* targets,
                                int64_t rows, int32_t ignored) {
  double sum = 0, counted = 0;
  for (int64_t r = threadIdx.x; r < rows; r += blockDim.x) {
    sum += static_cast<double>(row_losses[r]);
    counted += targets[r] == ignored ? 0 : 1;
  }
  sum = cuda::block_reduce(sum, cuda::Sum{});
  counted = cuda::block_reduce(counted, cuda::Sum{});
  if (threadIdx.x == 0) {
    *loss_sum = static_cast<A>(sum);
    *count = static_cast<A>(counted);
  }
}

// One block a row.
template <typename T>
__global__ void backward_kernel(T* grad_logits, const accumulator_t<T>* grad_loss, const T* logits,
                                const int32_t* targets, const accumulator_t<T>* log_sum_exp,
                                LogitsShape shape, int32_t ignored) {
  const int64_t row = blockIdx.x * shape.stride;
  write_row_gradient(grad_logits + row, logits + row, targets[blockIdx.x], shape.classes, ignored,
                     log_sum_exp[blockIdx.x], *grad_loss);
}

}  // namespace

template <typename T>
void cross_entropy_forward(OnCuda on, accumulator_t<T>* row_losses, accumulator_t<T>* log_sum_exp,
                           const T* logits, const int32_t* targets, const LogitsShape& shape,
                           int32_t ignored) {
  cuda::launch(forward_kernel<T>, cuda::block_each(on, shape.rows), row_losses, log_sum_exp, logits,
               targets, shape, ignored);
}

template <typename T>
void cross_entropy_in_place(OnCuda on, accumulator_t<T>* row_losses, T* logits,
                            const int32_t* targets, const LogitsShape& shape, int32_t ignored,
                            double scale) {
  cuda::launch(in_place_kernel<T>, cuda::block_each(on, shape.rows), row_losses, logits, targets,
               shape, ignored, scale);
}

template <typename A>
void cross_entropy_sum(OnCuda on, A* loss_sum, A* count, const A* row_losses,
                       const int32_t* targets, int64_t rows, int32_t ignored) {
  cuda::launch(add_rows_kernel<A>, cuda::block_each(on, 1), loss_sum, count, row_losses, targets,
               rows, ignored);
}

template <typename T>
void cross_entropy_backward(OnCuda on, T* grad_logits, const accumulator_t<T>* grad_loss,
                            const T* logits, const int32_t* targets,
                            const accumulator_t<T>* log_sum_exp, const LogitsShape& shape,
                            int32_t ignored) {
  cuda::launch(backward_kernel<T>, cuda::block_each(on, shape.rows), grad_logits, grad_loss, logits,
               targets, log_sum_exp, shape, ignored);
}

template void cross_entropy_forward(OnCuda, float*, float*, const float*, const int32_t*,
                                    const LogitsShape&, int32_t);
template void cross_entropy_forward(OnCuda, double*, double*, const double*, const int32_t*,
                                    const LogitsShape&, int32_t);
template void cross_entropy_forward(OnCuda, float*, float*, const bfloat16*, const int32_t*,
                                    const LogitsShape&, int32_t);
template void cross_entropy_forward(OnCuda, float*, float*, const float16*, const int32_t*,
                                    const LogitsShape&, int32_t);

template void cross_entropy_in_place(OnCuda, float*, float*, const int32_t*, const LogitsShape&,
                                     int32_t, double);
template void cross_entropy_in_place(OnCuda, double*, double*, const int32_t*, const LogitsShape&,
                                     int32_t, double);
template void cross_entropy_in_place(OnCuda, float*, bfloat16*, const int32_t*, const LogitsShape&,
                                     int32_t, double);
template void cross_entropy_in_place(OnCuda, float*, float16*, const int32_t*, const LogitsShape&,
                                     int32_t, double);

template void cross_entropy_sum(OnCuda, float*, float*, const float*, const int32_t*, int64_t,
                                int32_t);
template void cross_entropy_sum(OnCuda, double*, double*, const double*, const int32_t*, int64_t,
                                int32_t);

template void cross_entropy_backward(OnCuda, float*, const float*, const float*, const int32_t*,
                                     const float*, const LogitsShape&, int32_t);
template void cross_entropy_backward(OnCuda, double*, const double*, const double*, const int32_t*,
                                     const double*, const LogitsShape&, int32_t);
template void cross_entropy_backward(OnCuda, bfloat16*, const float*, const bfloat16*,
                                     const int32_t*, const float*, const LogitsShape&, int32_t);
template void cross_entropy_backward(OnCuda, float16*, const float*, const float16*, const int32_t*,
                                     const float*, const LogitsShape&, int32_t);

}  // namespace ripieno::kernels
