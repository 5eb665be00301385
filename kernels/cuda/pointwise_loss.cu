#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/pointwise_loss.h"
#include "ripieno/kernels/rules/loss_formulas.h"

namespace ripieno::kernels {
namespace {

// One block per chunk.
template <typename T, typename Formula>
__global__ void partials_kernel(double* partials, formulas::PointwiseTerm<T, Formula> term) {
  const int64_t begin = int64_t{blockIdx.x} * kSumChunk;
  const int64_t end = begin + kSumChunk < term.terms.size ? begin + kSumChunk : term.terms.size;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x)
    sum += static_cast<double>(
        term.value(cuda::widen(term.terms.predictions[i]), cuda::widen(term.terms.targets[i]), i));
  sum = cuda::block_reduce(sum, cuda::Sum{});
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// One thread per element.
template <typename T, typename Formula>
__global__ void backward_kernel(T* grad_predictions, T* grad_targets,
                                const accumulator_t<T>* grad_loss,
                                formulas::PointwiseTerm<T, Formula> term) {
  const int64_t i = cuda::global_thread();
  if (i >= term.terms.size) return;
  const auto scale = *grad_loss;
  const auto x = cuda::widen(term.terms.predictions[i]), t = cuda::widen(term.terms.targets[i]);
  if (grad_predictions) grad_predictions[i] = cuda::narrow<T>(scale * term.by_prediction(x, t, i));
  if (grad_targets) grad_targets[i] = cuda::narrow<T>(scale * term.by_target(x, t, i));
}

}  // namespace

template <typename T>
void pointwise_loss_partials(OnCuda on, double* partials, const PointwiseTerms<T>& terms) {
  formulas::with_pointwise(terms.loss, [&]<typename Formula>(Formula) {
    cuda::launch(partials_kernel<T, Formula>,
                 cuda::block_each(on, cuda::ceil_divide(terms.size, kSumChunk)), partials,
                 formulas::PointwiseTerm<T, Formula>{terms});
  });
}

template <typename T>
void pointwise_loss_backward(OnCuda on, T* grad_predictions, T* grad_targets,
                             const accumulator_t<T>* grad_loss, const PointwiseTerms<T>& terms) {
  formulas::with_pointwise(terms.loss, [&]<typename Formula>(Formula) {
    cuda::launch(backward_kernel<T, Formula>, cuda::thread_each(on, terms.size), grad_predictions,
                 grad_targets, grad_loss, formulas::PointwiseTerm<T, Formula>{terms});
  });
}

template void pointwise_loss_partials(OnCuda, double*, const PointwiseTerms<float>&);
template void pointwise_loss_partials(OnCuda, double*, const PointwiseTerms<double>&);
template void pointwise_loss_partials(OnCuda, double*, const PointwiseTerms<bfloat16>&);
template void pointwise_loss_partials(OnCuda, double*, const PointwiseTerms<float16>&);

template void pointwise_loss_backward(OnCuda, float*, float*, const float*,
                                      const PointwiseTerms<float>&);
template void pointwise_loss_backward(OnCuda, double*, double*, const double*,
                                      const PointwiseTerms<double>&);
template void pointwise_loss_backward(OnCuda, bfloat16*, bfloat16*, const float*,
                                      const PointwiseTerms<bfloat16>&);
template void pointwise_loss_backward(OnCuda, float16*, float16*, const float*,
                                      const PointwiseTerms<float16>&);

}  // namespace ripieno::kernels
