#include "ripieno/kernels/layer_norm.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class LayerNorm : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, LayerNorm, device_runs(), run_name);

TEST_P(LayerNorm, ForwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    using A = accumulator_t<T>;
    for (const int64_t cols : kSizes) {
      for (const bool affine : {true, false}) {
        const int64_t rows = 5;
        Both<T> out(rows * cols), in = some_numbers<T>(rows * cols, 1, 1, 3);
        Both<T> weight = some_numbers<T>(cols, 2), bias = some_numbers<T>(cols, 3);
        Both<A> mean(rows), inverse_deviation(rows);
        on_both([&](auto place, auto at) {
          kernels::layer_norm_forward(place, at(out), at(mean), at(inverse_deviation), at(in),
                                      affine ? at(weight) : nullptr, affine ? at(bias) : nullptr,
                                      rows, cols, 1e-5);
        });
        expect_agreement(out);
        expect_agreement(mean);
        expect_agreement(inverse_deviation);
      }
    }
  });
}

template <typename T>
void expect_backward_agreement(int64_t rows, int64_t cols, bool affine, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t chunks = (rows + kernels::kLayerNormRowChunk - 1) / kernels::kLayerNormRowChunk;
  Both<T> gradient = some_numbers<T>(rows * cols, 1), in = some_numbers<T>(rows * cols, 2);
  Both<T> weight = some_numbers<T>(cols, 3);
  Both<T> grad_weight = some_numbers<T>(cols, 4), grad_bias = some_numbers<T>(cols, 5);
  Both<A> mean = some_numbers<A>(rows, 6), inverse_deviation = some_numbers<A>(rows, 7, 0.5, 1);
  Both<A> workspace(2 * chunks * cols);
  on_both([&](auto place, auto at) {
    T* const none = nullptr;
    kernels::layer_norm_backward(place, at(gradient), affine ? at(grad_weight) : none,
                                 affine ? at(grad_bias) : none, at(workspace), at(gradient), at(in),
                                 affine ? at(weight) : none, at(mean), at(inverse_deviation), rows,
                                 cols, accumulate);
  });
  expect_agreement(gradient, 4 * kTolerance<T>);
  expect_agreement(grad_weight, 4 * kTolerance<T>);
  expect_agreement(grad_bias, 4 * kTolerance<T>);
}

TEST_P(LayerNorm, BackwardAgreesWithTheCpuWhereItOverwritesItsInput) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t cols : kSizes) {
      for (const bool accumulate : {false, true}) {
        expect_backward_agreement<T>(33, cols, true, accumulate);
      }
    }
    expect_backward_agreement<T>(5, 33, false, false);
  });
}

}  // namespace
}  // namespace ripieno::testing
