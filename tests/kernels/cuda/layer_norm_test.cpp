#include "ripieno/kernels/layer_norm.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class LayerNorm : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, LayerNorm, device_runs(), run_name);

// kSizes, rows in vectors of which a thread has none, one and several, and one too long to be held.
constexpr int64_t kRowSizes[] = {1, 31, 32, 33, 320, 768, 1001, 5000};

Both<kernels::RandomKey> some_key() {
  return {kernels::RandomKey{.seed = 1, .stream = 2, .step = 3}};
}

TEST_P(LayerNorm, ForwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    using A = accumulator_t<T>;
    for (const int64_t cols : kRowSizes) {
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

TEST_P(LayerNorm, OfAResidualAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    using A = accumulator_t<T>;
    for (const int64_t cols : kRowSizes) {
      for (const double probability : {0.0, 0.3}) {
        const int64_t rows = 5, offset = cols == 320 ? 7 : 4;
        Both<T> out(rows * cols), x = some_numbers<T>(rows * cols, 1, 1, 3);
        Both<T> branch = some_numbers<T>(rows * cols, 4);
        Both<T> weight = some_numbers<T>(cols, 2), bias = some_numbers<T>(cols, 3);
        Both<A> mean(rows), inverse_deviation(rows);
        auto key = some_key();
        on_both([&](auto place, auto at) {
          kernels::residual_norm_forward(place, at(out), at(x), at(mean), at(inverse_deviation),
                                         at(x), at(branch), {probability, at(key), offset},
                                         at(weight), at(bias), rows, cols, 1e-5);
        });
        expect_agreement(x);
        expect_agreement(out, 2 * kTolerance<T>);
        expect_agreement(mean);
      }
    }
  });
}

struct BackwardCase {
  bool affine = true, adds = false, accumulate = false;
  double probability = 0.0;
};

template <typename T>
void expect_backward_agreement(int64_t rows, int64_t cols, const BackwardCase& given) {
  using A = accumulator_t<T>;
  const int64_t chunks = (rows + kernels::kLayerNormRowChunk - 1) / kernels::kLayerNormRowChunk;
  Both<T> gradient = some_numbers<T>(rows * cols, 1), in = some_numbers<T>(rows * cols, 2);
  Both<T> weight = some_numbers<T>(cols, 3), grad_in = some_numbers<T>(rows * cols, 8);
  Both<T> grad_weight = some_numbers<T>(cols, 4), grad_bias = some_numbers<T>(cols, 5);
  Both<T> grad_branch(rows * cols);
  Both<A> mean = some_numbers<A>(rows, 6), inverse_deviation = some_numbers<A>(rows, 7, 0.5, 1);
  Both<A> workspace(2 * chunks * cols);
  auto key = some_key();
  on_both([&](auto place, auto at) {
    T* const none = nullptr;
    kernels::residual_norm_backward(
        place, given.adds ? at(grad_in) : at(gradient),
        given.probability > 0 ? at(grad_branch) : none, given.affine ? at(grad_weight) : none,
        given.affine ? at(grad_bias) : none, at(workspace), at(gradient), at(in),
        {given.probability, at(key), 8}, given.affine ? at(weight) : none, at(mean),
        at(inverse_deviation), rows, cols, {given.adds, given.accumulate, !given.accumulate});
  });
  expect_agreement(gradient, 4 * kTolerance<T>);
  expect_agreement(grad_in, 4 * kTolerance<T>);
  expect_agreement(grad_branch, 8 * kTolerance<T>);
  expect_agreement(grad_weight, 4 * kTolerance<T>);
  expect_agreement(grad_bias, 4 * kTolerance<T>);
}

TEST_P(LayerNorm, BackwardAgreesWithTheCpuWhereItOverwritesItsInput) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t cols : kSizes) {
      for (const bool accumulate : {false, true}) {
        expect_backward_agreement<T>(33, cols, {.accumulate = accumulate});
      }
    }
    expect_backward_agreement<T>(5, 33, {.affine = false});
    expect_backward_agreement<T>(65, 320, {});
    expect_backward_agreement<T>(33, 5000, {});
  });
}

TEST_P(LayerNorm, BackwardAddsToTheGradientThatIsThereAndDropsTheBranchs) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t cols : kRowSizes) {
      const int64_t rows = cols > 320 ? 3 : 35;
      expect_backward_agreement<T>(rows, cols, {.adds = true});
      expect_backward_agreement<T>(rows, cols, {.adds = true, .probability = 0.3});
    }
  });
}

TEST_P(LayerNorm, BackwardOfManyRowsSumsThemInFewerChunks) {
  expect_backward_agreement<bfloat16>(50000, 16, {});
}

}  // namespace
}  // namespace ripieno::testing
