#include "ripieno/kernels/activation.h"

#include <limits>

#include "kernels/values.h"

namespace ripieno::kernels {
namespace {

constexpr Activation kActivations[] = {Activation::kNone, Activation::kRelu, Activation::kGelu,
                                       Activation::kGeluTanh};

double reference(Activation activation, double x) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return std::max(0.0, x);
    case Activation::kGelu:
      return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  return 0;
}

// Derivative by central differences, which are accurate to about 1e-10 here.
double reference_derivative(Activation activation, double x) {
  constexpr double kStep = 1e-5;
  return (reference(activation, x + kStep) - reference(activation, x - kStep)) / (2 * kStep);
}

template <typename T>
class ActivationKernel : public testing::Test {};
TYPED_TEST_SUITE(ActivationKernel, Floats);

TYPED_TEST(ActivationKernel, ForwardIsTheFunction) {
  for (const Activation activation : kActivations) {
    for (const int64_t size : kOddSizes) {
      auto values = random_values<TypeParam>(size, 3, -6, 6);
      std::vector<double> expected;
      for (const double x : to_doubles(values)) expected.push_back(reference(activation, x));
      activation_forward(OnCpu{}, values.data(), values.data(), size, activation);
      expect_close(values, expected);
    }
  }
}

TYPED_TEST(ActivationKernel, BackwardIsTheDerivative) {
  for (const Activation activation : kActivations) {
    for (const int64_t size : kOddSizes) {
      const auto in = random_values<TypeParam>(size, 3, -6, 6);
      auto grad = random_values<TypeParam>(size, 4);
      std::vector<double> expected;
      for (int64_t i = 0; i < size; ++i) {
        expected.push_back(to_double(grad[i]) * reference_derivative(activation, to_double(in[i])));
      }
      activation_backward(OnCpu{}, grad.data(), grad.data(), in.data(), size, activation);
      constexpr double kOfDifferences = 1e-9 / kEpsilon<accumulator_t<TypeParam>>;
      expect_close(grad, expected, 64.0 + kOfDifferences);
    }
  }
}

TEST(ActivationKernel, PropagatesNanAndKeepsLargeNumbers) {
  for (const Activation activation : kActivations) {
    const float in[] = {std::numeric_limits<float>::quiet_NaN(), 1e4f, -1e4f};
    float out[3];
    activation_forward(OnCpu{}, out, in, 3, activation);
    EXPECT_TRUE(std::isnan(out[0]));
    EXPECT_EQ(out[1], 1e4f);
    EXPECT_EQ(out[2], activation == Activation::kNone ? -1e4f : 0.0f);
  }
}

TEST(ActivationKernel, GradientOfReluAtZeroIsZero) {
  const float in = 0.0f;
  float grad = 1.0f;
  activation_backward(OnCpu{}, &grad, &grad, &in, 1, Activation::kRelu);
  EXPECT_EQ(grad, 0.0f);
}

}  // namespace
}  // namespace ripieno::kernels
