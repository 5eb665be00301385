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

// One block a row.   logits: (rows, classes)
template <typename T>
__global__ void row_losses_kernel(accumulator_t<T>* log_sum_exp, accumulator_t<T>* row_losses,
                                  const T* logits, const int32_t* targets, int64_t classes,
                                  int32_t ignored) {
  using A = accumulator_t<T>;
  const T* const x = logits + blockIdx.x * classes;

  A largest = cuda::kLowest<A>;
  for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
    largest = cuda::Max{}(largest, cuda::widen(x[c]));
  }
  largest = cuda::block_reduce(largest, cuda::Max{});

  A sum = 0;
  for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
    sum += std::exp(cuda::widen(x[c]) - largest);
  }
  const A log_sum = largest + std::log(cuda::block_reduce(sum, cuda::Sum{}));

  if (threadIdx.x == 0) {
    log_sum_exp[blockIdx.x] = log_sum;
    row_losses[blockIdx.x] = row_loss(x, targets[blockIdx.x], classes, ignored, log_sum);
  }
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

// One block a row.   logits, grad_logits: (rows, classes)
template <typename T>
__global__ void backward_kernel(T* grad_logits, const accumulator_t<T>* grad_loss, const T* logits,
                                const int32_t* targets, const accumulator_t<T>* log_sum_exp,
                                int64_t classes, int32_t ignored) {
  using A = accumulator_t<T>;
  const int64_t row = blockIdx.x * classes;
  const int32_t target = targets[blockIdx.x];
  const A log_sum = log_sum_exp[blockIdx.x];
  for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) {
    const A probability = std::exp(cuda::widen(logits[row + c]) - log_sum);
    const A gradient = *grad_loss * (probability - (c == target ? A(1) : A(0)));
    grad_logits[row + c] = static_cast<T>(target == ignored ? A(0) : gradient);
  }
}

}  // namespace

template <typename T>
void cross_entropy_forward(OnCuda on, accumulator_t<T>* loss_sum, accumulator_t<T>* count,
                           accumulator_t<T>* log_sum_exp, accumulator_t<T>* row_losses,
                           const T* logits, const int32_t* targets, int64_t rows, int64_t classes,
                           int32_t ignored) {
  cuda::launch(row_losses_kernel<T>, cuda::block_each(on, rows), log_sum_exp, row_losses, logits,
               targets, classes, ignored);
  cuda::launch(add_rows_kernel<accumulator_t<T>>, cuda::block_each(on, 1), loss_sum, count,
               row_losses, targets, rows, ignored);
}

template <typename T>
void cross_entropy_backward(OnCuda on, T* grad_logits, const accumulator_t<T>* grad_loss,
                            const T* logits, const int32_t* targets,
                            const accumulator_t<T>* log_sum_exp, int64_t rows, int64_t classes,
                            int32_t ignored) {
  cuda::launch(backward_kernel<T>, cuda::block_each(on, rows), grad_logits, grad_loss, logits,
               targets, log_sum_exp, classes, ignored);
}

template void cross_entropy_forward(OnCuda, float*, float*, float*, float*, const float*,
                                    const int32_t*, int64_t, int64_t, int32_t);
template void cross_entropy_forward(OnCuda, double*, double*, double*, double*, const double*,
                                    const int32_t*, int64_t, int64_t, int32_t);
template void cross_entropy_forward(OnCuda, float*, float*, float*, float*, const bfloat16*,
                                    const int32_t*, int64_t, int64_t, int32_t);
template void cross_entropy_forward(OnCuda, float*, float*, float*, float*, const float16*,
                                    const int32_t*, int64_t, int64_t, int32_t);

template void cross_entropy_backward(OnCuda, float*, const float*, const float*, const int32_t*,
                                     const float*, int64_t, int64_t, int32_t);
template void cross_entropy_backward(OnCuda, double*, const double*, const double*, const int32_t*,
                                     const double*, int64_t, int64_t, int32_t);
template void cross_entropy_backward(OnCuda, bfloat16*, const float*, const bfloat16*,
                                     const int32_t*, const float*, int64_t, int64_t, int32_t);
template void cross_entropy_backward(OnCuda, float16*, const float*, const float16*, const int32_t*,
                                     const float*, int64_t, int64_t, int32_t);

}  // namespace ripieno::kernels
