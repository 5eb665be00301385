#include "ripieno/kernels/pointwise_loss.h"

#include <algorithm>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/rules/loss_formulas.h"

namespace ripieno::kernels {
namespace {

constexpr int64_t kWorkOfTerm = 4;

}  // namespace

template <typename T>
void pointwise_loss_partials(OnCpu, double* partials, const PointwiseTerms<T>& terms) {
  using A = accumulator_t<T>;
  formulas::with_pointwise(terms.loss, [&]<typename Formula>(Formula) {
    const formulas::PointwiseTerm<T, Formula> term{terms};
    const int64_t chunks = (terms.size + kSumChunk - 1) / kSumChunk;
    cpu::parallel_for(chunks, kSumChunk * kWorkOfTerm, [=](int64_t chunk) {
      const int64_t begin = chunk * kSumChunk;
      const int64_t end = std::min(term.terms.size, begin + kSumChunk);
      double sum = 0;
      for (int64_t i = begin; i < end; ++i)
        sum += static_cast<double>(
            term.value(A(term.terms.predictions[i]), A(term.terms.targets[i]), i));
      partials[chunk] = sum;
    });
  });
}

template <typename T>
void pointwise_loss_backward(OnCpu, T* grad_predictions, T* grad_targets,
                             const accumulator_t<T>* grad_loss, const PointwiseTerms<T>& terms) {
  using A = accumulator_t<T>;
  const A scale = *grad_loss;
  formulas::with_pointwise(terms.loss, [&]<typename Formula>(Formula) {
    const formulas::PointwiseTerm<T, Formula> term{terms};
    cpu::for_each_block(terms.size, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const A x = A(term.terms.predictions[i]), t = A(term.terms.targets[i]);
        if (grad_predictions) grad_predictions[i] = T(scale * term.by_prediction(x, t, i));
        if (grad_targets) grad_targets[i] = T(scale * term.by_target(x, t, i));
      }
    });
  });
}

template void pointwise_loss_partials(OnCpu, double*, const PointwiseTerms<float>&);
template void pointwise_loss_partials(OnCpu, double*, const PointwiseTerms<double>&);
template void pointwise_loss_partials(OnCpu, double*, const PointwiseTerms<bfloat16>&);
template void pointwise_loss_partials(OnCpu, double*, const PointwiseTerms<float16>&);

template void pointwise_loss_backward(OnCpu, float*, float*, const float*,
                                      const PointwiseTerms<float>&);
template void pointwise_loss_backward(OnCpu, double*, double*, const double*,
                                      const PointwiseTerms<double>&);
template void pointwise_loss_backward(OnCpu, bfloat16*, bfloat16*, const float*,
                                      const PointwiseTerms<bfloat16>&);
template void pointwise_loss_backward(OnCpu, float16*, float16*, const float*,
                                      const PointwiseTerms<float16>&);

}  // namespace ripieno::kernels
