#include "ripieno/kernels/activation.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Activations : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Activations, device_runs(), run_name);

using kernels::Activation;

constexpr auto kActivations = {kernels::Activation::kNone, kernels::Activation::kRelu,
                               kernels::Activation::kGelu, kernels::Activation::kGeluTanh};

TEST_P(Activations, ForwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t size : kSizes) {
      for (const auto activation : kActivations) {
        Both<T> out(size), in = some_numbers<T>(size, 1, -4, 4);
        on_both([&](auto place, auto at) {
          kernels::activation_forward(place, at(out), at(in), size, activation);
        });
        expect_agreement(out);
      }
    }
  });
}

TEST_P(Activations, BackwardAgreesWithTheCpuWhereItOverwritesItsInput) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const auto activation : kActivations) {
      const int64_t size = 1001;
      Both<T> gradient = some_numbers<T>(size, 1), in = some_numbers<T>(size, 2, -4, 4);
      on_both([&](auto place, auto at) {
        kernels::activation_backward(place, at(gradient), at(gradient), at(in), size, activation);
      });
      expect_agreement(gradient);
    }
  });
}

// 0.5 x (1 + tanh(u)) would be 0 there.
TEST_P(Activations, GeluTanhIsAccurateFarBelowZero) {
  Both<float> in{-5.5f, -6.0f, -8.0f};
  on_both([&](auto place, auto at) {
    kernels::activation_forward(place, at(in), at(in), 3, Activation::kGeluTanh);
  });
  const float expected[] = {-5.92764e-9f, -8.43965e-11f, -3.10778e-21f};
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(in.from_device()[i] / expected[i], 1, 1e-2);
}

TEST_P(Activations, ReluPropagatesNan) {
  Both<float> in{std::nanf(""), -1.0f, 2.0f};
  on_both([&](auto place, auto at) {
    kernels::activation_forward(place, at(in), at(in), 3, Activation::kRelu);
  });
  expect_agreement(in);
  EXPECT_TRUE(std::isnan(in.from_device()[0]));
}

}  // namespace
}  // namespace ripieno::testing
