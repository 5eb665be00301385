#include "ripieno/kernels/linear.h"

#include "kernels/values.h"

namespace ripieno::kernels {
namespace {

template <typename T>
class Linear : public testing::Test {};
TYPED_TEST_SUITE(Linear, Floats);

double gelu_slope(double x) {
  const double density = std::exp(-0.5 * x * x) / std::sqrt(2.0 * M_PI);
  return 0.5 * std::erfc(-x / std::sqrt(2.0)) + x * density;
}

TYPED_TEST(Linear, InputGradientIncludesTheActivationBelow) {
  const LinearShape shape{.rows = 33, .inputs = 31, .outputs = 9};
  const auto grad_y = random_values<TypeParam>(shape.rows * shape.outputs, 1);
  const auto weight = random_values<TypeParam>(shape.outputs * shape.inputs, 2);
  const auto before = random_values<TypeParam>(shape.rows * shape.inputs, 3);
  std::vector<double> expected;
  for (int64_t i = 0; i < shape.rows * shape.inputs; ++i) {
    double sum = 0;
    for (int64_t o = 0; o < shape.outputs; ++o) {
      sum += to_double(grad_y[i / shape.inputs * shape.outputs + o]) *
             to_double(weight[o * shape.inputs + i % shape.inputs]);
    }
    expected.push_back(sum * gelu_slope(to_double(before[i])));
  }
  std::vector<TypeParam> grad_x(expected.size());
  linear_input_gradient(OnCpu{}, grad_x.data(), grad_y.data(), weight.data(), before.data(), shape,
                        Activation::kGelu);
  expect_close(grad_x, expected, 64.0);
}

TYPED_TEST(Linear, ParameterGradientsAreSumsOverRows) {
  for (const int64_t rows : {0, 1, 33}) {
    for (const bool add : {false, true}) {
      const LinearShape shape{.rows = rows, .inputs = 31, .outputs = 9};
      const auto grad_y = random_values<TypeParam>(rows * shape.outputs, 1);
      const auto x = random_values<TypeParam>(rows * shape.inputs, 2);
      auto grad_weight = random_values<TypeParam>(shape.outputs * shape.inputs, 3);
      auto grad_bias = random_values<TypeParam>(shape.outputs, 4);
      std::vector<double> weight_expected, bias_expected;
      for (int64_t i = 0; i < shape.outputs * shape.inputs; ++i) {
        double sum = add ? to_double(grad_weight[i]) : 0.0;
        for (int64_t r = 0; r < rows; ++r) {
          sum += to_double(grad_y[r * shape.outputs + i / shape.inputs]) *
                 to_double(x[r * shape.inputs + i % shape.inputs]);
        }
        weight_expected.push_back(sum);
      }
      for (int64_t o = 0; o < shape.outputs; ++o) {
        double sum =
            add ? 0.0 : to_double(grad_bias[o]);  // one is accumulated, the other overwritten
        for (int64_t r = 0; r < rows; ++r) sum += to_double(grad_y[r * shape.outputs + o]);
        bias_expected.push_back(sum);
      }
      linear_parameter_gradients<TypeParam>(OnCpu{},
                                            {grad_weight.data(), grad_bias.data(), add, !add},
                                            nullptr, grad_y.data(), x.data(), shape);
      expect_close(grad_weight, weight_expected, 128.0);
      expect_close(grad_bias, bias_expected, 128.0);
    }
  }
}

}  // namespace
}  // namespace ripieno::kernels
