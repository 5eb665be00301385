#include "ripieno/kernels/layer_norm.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class LayerNorm : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, LayerNorm, device_runs(), run_name);

// kSizes; rows of which a thread has no, one and several vectors; and one too long for registers.
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
          kernels::layer_norm_forward(place, kernels::LayerNormForwardArguments<T>{
                                                 .out = at(out),
                                                 .mean = at(mean),
                                                 .inverse_deviation = at(inverse_deviation),
                                                 .in = at(in),
                                                 .weight = affine ? at(weight) : nullptr,
                                                 .bias = affine ? at(bias) : nullptr,
                                                 .rows = rows,
                                                 .cols = cols,
                                                 .epsilon = 1e-5});
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
          kernels::residual_norm_forward(place, kernels::ResidualNormForwardArguments<T>{
                                                    .out = at(out),
                                                    .sum = at(x),
                                                    .mean = at(mean),
                                                    .inverse_deviation = at(inverse_deviation),
                                                    .x = at(x),
                                                    .branch = at(branch),
                                                    .mask = {probability, at(key), offset},
                                                    .weight = at(weight),
                                                    .bias = at(bias),
                                                    .rows = rows,
                                                    .cols = cols,
                                                    .epsilon = 1e-5});
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
        place, kernels::ResidualNormBackwardArguments<T>{
                   .norm = {.grad_in = given.adds ? at(grad_in) : at(gradient),
                            .grad_weight = given.affine ? at(grad_weight) : none,
                            .grad_bias = given.affine ? at(grad_bias) : none,
                            .workspace = at(workspace),
                            .grad_out = at(gradient),
                            .in = at(in),
                            .weight = given.affine ? at(weight) : none,
                            .mean = at(mean),
                            .inverse_deviation = at(inverse_deviation),
                            .rows = rows,
                            .cols = cols,
                            .accumulate = {given.adds, given.accumulate, !given.accumulate}},
                   .grad_branch = given.probability > 0 ? at(grad_branch) : none,
                   .mask = {given.probability, at(key), 8}});
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

TEST_P(LayerNorm, BackwardAccumulatesAndDropsTheBranchGradient) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t cols : kRowSizes) {
      const int64_t rows = cols > 320 ? 3 : 35;
      expect_backward_agreement<T>(rows, cols, {.adds = true});
      expect_backward_agreement<T>(rows, cols, {.adds = true, .probability = 0.3});
    }
  });
}

TEST_P(LayerNorm, BackwardOfManyRowsUsesFewerChunks) {
  expect_backward_agreement<bfloat16>(50000, 16, {});
}

}  // namespace
}  // namespace ripieno::testing
