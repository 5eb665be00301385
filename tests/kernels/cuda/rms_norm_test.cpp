#include "ripieno/kernels/rms_norm.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class RmsNorm : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, RmsNorm, device_runs(), run_name);

// Rows of which a thread has no, one and several vectors; and one too long for registers.
constexpr int64_t kWidths[] = {1, 31, 32, 33, 320, 1001, 5000};

TEST_P(RmsNorm, ForwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    using A = accumulator_t<T>;
    for (const int64_t cols : kWidths) {
      for (const bool is_residual : {false, true}) {
        const int64_t rows = 5;
        Both<T> out(rows * cols), sum(rows * cols), x = some_numbers<T>(rows * cols, 1, 1, 3);
        Both<T> branch = some_numbers<T>(rows * cols, 2), weight = some_numbers<T>(cols, 3);
        Both<A> inverse(rows);
        on_both([&](auto place, auto at) {
          kernels::RmsNormForwardArguments<T> norm{
              .out = at(out), .inverse = at(inverse), .x = at(x), .rows = rows, .cols = cols};
          norm.epsilon = 1e-5;
          norm.weight = cols == 320 ? nullptr : at(weight);
          if (is_residual) {
            norm.sum = at(sum);
            norm.branch = at(branch);
          }
          kernels::rms_norm_forward(place, norm);
        });
        expect_agreement(out);
        expect_agreement(inverse);
        if (is_residual) expect_agreement(sum);
      }
    }
  });
}

TEST_P(RmsNorm, BackwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    using A = accumulator_t<T>;
    for (const int64_t cols : kWidths) {
      for (const bool accumulate : {false, true}) {
        const int64_t rows = cols == 33 ? 77 : 5;
        Both<T> grad_in = some_numbers<T>(rows * cols, 1), grad_weight = some_numbers<T>(cols, 2);
        Both<T> grad_out = some_numbers<T>(rows * cols, 3), in = some_numbers<T>(rows * cols, 4);
        Both<T> weight = some_numbers<T>(cols, 5);
        Both<A> inverse = some_numbers<A>(rows, 6, 0.5, 1.5);
        Both<A> partials(kernels::rms_norm_chunks(rows) * cols);
        on_both([&](auto place, auto at) {
          kernels::rms_norm_backward(
              place, kernels::RmsNormBackwardArguments<T>{.grad_in = at(grad_in),
                                                          .grad_weight = at(grad_weight),
                                                          .partials = at(partials),
                                                          .grad_out = at(grad_out),
                                                          .in = at(in),
                                                          .weight = at(weight),
                                                          .inverse = at(inverse),
                                                          .rows = rows,
                                                          .cols = cols,
                                                          .accumulate_in = accumulate,
                                                          .accumulate_weight = accumulate});
        });
        expect_agreement(grad_in, 4 * kTolerance<T>);
        expect_agreement(grad_weight, 4 * kTolerance<T>);
      }
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
