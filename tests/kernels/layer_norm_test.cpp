#include "ripieno/kernels/layer_norm.h"

#include <algorithm>
#include <functional>

#include "kernels/values.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::kernels {
namespace {

constexpr double kEpsilonOfVariance = 1e-5;

// Inputs, outputs and expected values of one forward.
struct Row {
  double mean = 0, inverse_deviation = 0;
  Row(const double* x, int64_t cols) {
    for (int64_t c = 0; c < cols; ++c) mean += x[c] / static_cast<double>(cols);
    double variance = 0;
    for (int64_t c = 0; c < cols; ++c) {
      variance += (x[c] - mean) * (x[c] - mean) / static_cast<double>(cols);
    }
    inverse_deviation = 1 / std::sqrt(variance + kEpsilonOfVariance);
  }
};

template <typename T>
struct Problem {
  using A = accumulator_t<T>;
  int64_t rows, cols;
  std::vector<T> in, weight, bias, grad_out, out, grad_in, grad_weight, grad_bias;
  std::vector<A> mean, inverse_deviation, workspace;

  Problem(int64_t r, int64_t c)
      : rows(r),
        cols(c),
        in(random_values<T>(r * c, 1, 1, 5)),
        weight(random_values<T>(c, 2)),
        bias(random_values<T>(c, 3)),
        grad_out(random_values<T>(r * c, 4, -1, 1)),
        out(r * c),
        grad_in(r * c),
        grad_weight(random_values<T>(c, 5)),
        grad_bias(random_values<T>(c, 6)),
        mean(r),
        inverse_deviation(r),
        workspace(2 * ((r + kLayerNormRowChunk - 1) / kLayerNormRowChunk) * c) {}

  void forward(bool with_weight) {
    layer_norm_forward(OnCpu{},
                       LayerNormForwardArguments<T>{.out = out.data(),
                                                    .mean = mean.data(),
                                                    .inverse_deviation = inverse_deviation.data(),
                                                    .in = in.data(),
                                                    .weight = with_weight ? weight.data() : nullptr,
                                                    .bias = with_weight ? bias.data() : nullptr,
                                                    .rows = rows,
                                                    .cols = cols,
                                                    .epsilon = kEpsilonOfVariance});
  }
  LayerNormBackwardArguments<T> backward_arguments(bool with_weight) {
    return {.grad_in = grad_in.data(),
            .grad_weight = with_weight ? grad_weight.data() : nullptr,
            .grad_bias = with_weight ? grad_bias.data() : nullptr,
            .workspace = workspace.data(),
            .grad_out = grad_out.data(),
            .in = in.data(),
            .weight = with_weight ? weight.data() : nullptr,
            .mean = mean.data(),
            .inverse_deviation = inverse_deviation.data(),
            .rows = rows,
            .cols = cols};
  }
  void backward(bool with_weight, bool accumulate) {
    auto arguments = backward_arguments(with_weight);
    arguments.accumulate = {false, accumulate, accumulate};
    layer_norm_backward(OnCpu{}, arguments);
  }
};

// Gradient by the chain rule through mean and variance, written out.
std::vector<double> reference_grad_in(const std::vector<double>& x, const std::vector<double>& g,
                                      const std::vector<double>& weight, int64_t cols) {
  std::vector<double> out;
  const double n = static_cast<double>(cols);
  for (size_t begin = 0; begin < x.size(); begin += cols) {
    const Row row(&x[begin], cols);
    double sum = 0, dot = 0;
    for (int64_t c = 0; c < cols; ++c) {
      const double d = g[begin + c] * (weight.empty() ? 1.0 : weight[c]);
      sum += d;
      dot += d * (x[begin + c] - row.mean);
    }
    const double r = row.inverse_deviation, grad_variance = -0.5 * dot * r * r * r;
    for (int64_t c = 0; c < cols; ++c) {
      const double d = g[begin + c] * (weight.empty() ? 1.0 : weight[c]);
      out.push_back(d * r - sum * r / n + grad_variance * 2 * (x[begin + c] - row.mean) / n);
    }
  }
  return out;
}

template <typename T>
class LayerNorm : public testing::Test {};
TYPED_TEST_SUITE(LayerNorm, Floats);

TYPED_TEST(LayerNorm, NormalizesScalesAndShifts) {
  for (const bool with_weight : {false, true}) {
    for (const int64_t cols : kOddSizes) {
      Problem<TypeParam> p(5, cols);
      const auto x = to_doubles(p.in);
      std::vector<double> expected, means;
      for (int64_t r = 0; r < p.rows; ++r) {
        const Row row(&x[r * cols], cols);
        means.push_back(row.mean);
        for (int64_t c = 0; c < cols; ++c) {
          const double normalized = (x[r * cols + c] - row.mean) * row.inverse_deviation;
          expected.push_back(with_weight
                                 ? normalized * to_double(p.weight[c]) + to_double(p.bias[c])
                                 : normalized);
        }
      }
      p.forward(with_weight);
      expect_close(p.out, expected, 64.0);
      expect_close(p.mean, means, 32.0);
    }
  }
}

TYPED_TEST(LayerNorm, BackwardIsTheGradientOfTheInput) {
  for (const bool with_weight : {false, true}) {
    for (const int64_t cols : {31, 32, 33, 1001}) {
      Problem<TypeParam> p(5, cols);
      p.forward(with_weight);
      const auto weight = with_weight ? to_doubles(p.weight) : std::vector<double>{};
      const auto expected =
          reference_grad_in(to_doubles(p.in), to_doubles(p.grad_out), weight, cols);
      p.backward(with_weight, false);
      expect_close(p.grad_in, expected, 64.0);
    }
  }
}

TYPED_TEST(LayerNorm, GradientsOfWeightAndBiasSumOverRowsAndMayAccumulate) {
  for (const bool accumulate : {false, true}) {
    for (const int64_t rows : {1, 31, 32, 33, 200}) {
      Problem<TypeParam> p(rows, 70);
      p.forward(true);
      auto weight = accumulate ? to_doubles(p.grad_weight) : std::vector<double>(70);
      auto bias = accumulate ? to_doubles(p.grad_bias) : std::vector<double>(70);
      const auto x = to_doubles(p.in), g = to_doubles(p.grad_out);
      for (int64_t i = 0; i < rows * 70; ++i) {
        const Row row(&x[i / 70 * 70], 70);
        weight[i % 70] += g[i] * (x[i] - row.mean) * row.inverse_deviation;
        bias[i % 70] += g[i];
      }
      p.backward(true, accumulate);
      expect_close(p.grad_weight, weight, 256.0);
      expect_close(p.grad_bias, bias, 256.0);
    }
  }
}

TYPED_TEST(LayerNorm, DoesNotDependOnTheNumberOfThreads) {
  Problem<TypeParam> alone(300, 129), together(300, 129);
  alone.forward(true);
  alone.backward(true, false);
  set_cpu_threads(3);
  together.forward(true);
  together.backward(true, false);
  set_cpu_threads(1);
  expect_identical(together.out, alone.out);
  expect_identical(together.grad_in, alone.grad_in);
  expect_identical(together.grad_weight, alone.grad_weight);
  expect_identical(together.grad_bias, alone.grad_bias);
}

TYPED_TEST(LayerNorm, BackwardMayOverwriteTheGradientItReads) {
  Problem<TypeParam> apart(33, 65), in_place(33, 65);
  apart.forward(true);
  in_place.forward(true);
  apart.backward(true, false);
  auto arguments = in_place.backward_arguments(true);
  arguments.grad_in = in_place.grad_out.data();
  layer_norm_backward(OnCpu{}, arguments);
  expect_identical(in_place.grad_out, apart.grad_in);
  expect_identical(in_place.grad_weight, apart.grad_weight);
}

// Bitwise, because saved and recomputed tensors must not differ.
TYPED_TEST(LayerNorm, OfAResidualEqualsDropoutAdditionAndNormInSteps) {
  constexpr RandomKey kKey{.seed = 42, .stream = 7, .step = 3};
  for (const double probability : {0.0, 0.25}) {
    Problem<TypeParam> apart(5, 129), together(5, 129);
    const DropoutMask mask{probability, &kKey, 3};
    const auto branch = random_values<TypeParam>(5 * 129, 7);
    std::vector<TypeParam> kept(5 * 129);
    dropout(OnCpu{}, kept.data(), branch.data(), 5 * 129, mask);
    binary(OnCpu{}, apart.in.data(), apart.in.data(), kept.data(), 5 * 129, Binary::kAdd);
    apart.forward(true);
    residual_norm_forward(OnCpu{}, ResidualNormForwardArguments<TypeParam>{
                                       .out = together.out.data(),
                                       .sum = together.in.data(),
                                       .mean = together.mean.data(),
                                       .inverse_deviation = together.inverse_deviation.data(),
                                       .x = together.in.data(),
                                       .branch = branch.data(),
                                       .mask = mask,
                                       .weight = together.weight.data(),
                                       .bias = together.bias.data(),
                                       .rows = 5,
                                       .cols = 129,
                                       .epsilon = kEpsilonOfVariance});
    expect_identical(together.in, apart.in);
    expect_identical(together.out, apart.out);
  }
}

TYPED_TEST(LayerNorm, BackwardOfAResidualAccumulatesAndDropsTheBranchGradient) {
  constexpr RandomKey kKey{.seed = 42, .stream = 7, .step = 3};
  const DropoutMask mask{0.25, &kKey, 3};
  Problem<TypeParam> p(5, 33);
  p.forward(true);
  p.backward(true, false);
  const auto norms = to_doubles(p.grad_in);
  auto grad_sum = random_values<TypeParam>(5 * 33, 8);
  auto expected = to_doubles(grad_sum);
  std::transform(expected.begin(), expected.end(), norms.begin(), expected.begin(), std::plus{});
  std::vector<TypeParam> grad_branch(5 * 33), kept(5 * 33);
  ResidualNormBackwardArguments<TypeParam> arguments{
      .norm = p.backward_arguments(true), .grad_branch = grad_branch.data(), .mask = mask};
  arguments.norm.grad_in = grad_sum.data();
  arguments.norm.accumulate.in = true;
  residual_norm_backward(OnCpu{}, arguments);
  expect_close(grad_sum, expected, 64.0);
  dropout(OnCpu{}, kept.data(), grad_sum.data(), 5 * 33, mask);
  expect_identical(grad_branch, kept);
}

}  // namespace
}  // namespace ripieno::kernels
