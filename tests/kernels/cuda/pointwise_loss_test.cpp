#include "ripieno/kernels/pointwise_loss.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class PointwiseLosses : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, PointwiseLosses, device_runs(), run_name);

using kernels::PointwiseLoss;

TEST_P(PointwiseLosses, AndTheirGradientsAgreeWithTheCpu) {
  using enum PointwiseLoss;
  for_each_float_type([]<typename T>(Type<T>) {
    using A = accumulator_t<T>;
    for (const PointwiseLoss loss : {kSquared, kAbsolute, kHuber, kSmoothL1, kBinaryCrossEntropy,
                                     kDivergence, kDivergenceOfLogs}) {
      SCOPED_TRACE(static_cast<int>(loss));
      for (const int64_t size : {1, 33, 5001}) {
        Both<double> partials((size + kernels::kSumChunk - 1) / kernels::kSumChunk);
        Both<T> predictions = some_numbers<T>(size, 1), targets = some_numbers<T>(size, 2, 0.1, 1);
        Both<T> grad_predictions(size), grad_targets(size);
        Both<A> weights = some_numbers<A>(size, 3), of_classes = some_numbers<A>(3, 4, 0.5, 2);
        Both<A> grad_loss = {A(0.5)};
        for (const bool is_weighted : {false, true}) {
          on_both([&](auto place, auto at) {
            kernels::PointwiseTerms<T> terms{loss, at(predictions), at(targets), size};
            terms.width = 0.75;
            if (is_weighted) {
              terms.weights = at(weights);
              terms.positive_weights = at(of_classes);
              terms.classes = 3;
            }
            kernels::pointwise_loss_partials<T>(place, at(partials), terms);
            kernels::pointwise_loss_backward<T>(place, at(grad_predictions), at(grad_targets),
                                                at(grad_loss), terms);
          });
          expect_agreement(partials, 2e-5);
          expect_agreement(grad_predictions);
          expect_agreement(grad_targets);
        }
      }
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
