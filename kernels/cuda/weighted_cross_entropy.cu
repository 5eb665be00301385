#include <limits>

#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/rules/weighted_cross_entropy_formulas.h"
#include "ripieno/kernels/weighted_cross_entropy.h"

namespace ripieno::kernels {
namespace {

struct Widen {
  template <typename T>
  __device__ accumulator_t<T> operator()(T x) const {
    return cuda::widen(x);
  }
};

template <typename T>
using Row = formulas::WeightedRow<T, Widen>;

// One block per row.
template <typename T>
__global__ void forward_kernel(accumulator_t<T>* row_losses, accumulator_t<T>* row_counts,
                               accumulator_t<T>* statistics, WeightedCrossEntropy<T> of) {
  using A = accumulator_t<T>;
  const int64_t r = blockIdx.x;
  const Row<T> row{of, r, {}};
  A largest = A(0), log_sum = A(0);
  if (!of.is_normalized) {
    largest = cuda::kLowest<A>;
    for (int64_t c = threadIdx.x; c < of.classes; c += blockDim.x)
      largest = cuda::Max{}(largest, row.logit(c));
    largest = cuda::block_reduce(largest, cuda::Max{});
    A sum = A(0);
    for (int64_t c = threadIdx.x; c < of.classes; c += blockDim.x)
      sum += std::exp(row.logit(c) - largest);
    log_sum = std::log(cuda::block_reduce(sum, cuda::Sum{}));
  }
  A shares = A(0), loss = A(0);
  if (row.counts()) {
    for (int64_t c = threadIdx.x; c < of.classes; c += blockDim.x) {
      shares += row.share(c);
      loss += row.term(c, largest, log_sum);
    }
  }
  shares = cuda::block_reduce(shares, cuda::Sum{});
  loss = cuda::block_reduce(loss, cuda::Sum{});
  if (threadIdx.x != 0) return;
  const bool is_unknown = !row.counts() && !row.is_ignored();
  row_losses[r] = is_unknown ? std::numeric_limits<A>::quiet_NaN() : loss;
  row_counts[r] = row.count();
  statistics[3 * r] = largest;
  statistics[3 * r + 1] = log_sum;
  statistics[3 * r + 2] = shares;
}

// One block per row.
template <typename T>
__global__ void backward_kernel(T* grad_logits, T* grad_probabilities,
                                const accumulator_t<T>* grad_loss,
                                const accumulator_t<T>* statistics, WeightedCrossEntropy<T> of) {
  const int64_t r = blockIdx.x, begin = r * of.classes;
  const Row<T> row{of, r, {}};
  const accumulator_t<T> scale = *grad_loss;
  for (int64_t c = threadIdx.x; c < of.classes; c += blockDim.x) {
    if (grad_logits)
      grad_logits[begin + c] = cuda::narrow<T>(scale * row.gradient(c, statistics + 3 * r));
    if (grad_probabilities)
      grad_probabilities[begin + c] =
          cuda::narrow<T>(scale * row.probability_gradient(c, statistics + 3 * r));
  }
}

}  // namespace

template <typename T>
void weighted_cross_entropy_forward(OnCuda on, accumulator_t<T>* row_losses,
                                    accumulator_t<T>* row_counts, accumulator_t<T>* statistics,
                                    const WeightedCrossEntropy<T>& of) {
  cuda::launch(forward_kernel<T>, cuda::block_each(on, of.rows), row_losses, row_counts, statistics,
               of);
}

template <typename T>
void weighted_cross_entropy_backward(OnCuda on, T* grad_logits, T* grad_probabilities,
                                     const accumulator_t<T>* grad_loss,
                                     const accumulator_t<T>* statistics,
                                     const WeightedCrossEntropy<T>& of) {
  cuda::launch(backward_kernel<T>, cuda::block_each(on, of.rows), grad_logits, grad_probabilities,
               grad_loss, statistics, of);
}

template void weighted_cross_entropy_forward(OnCuda, float*, float*, float*,
                                             const WeightedCrossEntropy<float>&);
template void weighted_cross_entropy_forward(OnCuda, double*, double*, double*,
                                             const WeightedCrossEntropy<double>&);
template void weighted_cross_entropy_forward(OnCuda, float*, float*, float*,
                                             const WeightedCrossEntropy<bfloat16>&);
template void weighted_cross_entropy_forward(OnCuda, float*, float*, float*,
                                             const WeightedCrossEntropy<float16>&);

template void weighted_cross_entropy_backward(OnCuda, float*, float*, const float*, const float*,
                                              const WeightedCrossEntropy<float>&);
template void weighted_cross_entropy_backward(OnCuda, double*, double*, const double*,
                                              const double*, const WeightedCrossEntropy<double>&);
template void weighted_cross_entropy_backward(OnCuda, bfloat16*, bfloat16*, const float*,
                                              const float*, const WeightedCrossEntropy<bfloat16>&);
template void weighted_cross_entropy_backward(OnCuda, float16*, float16*, const float*,
                                              const float*, const WeightedCrossEntropy<float16>&);

}  // namespace ripieno::kernels
