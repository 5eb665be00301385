#include "ripieno/kernels/cuda/matmul_epilogue.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

using kernels::Activation;
using kernels::MatmulShape;

class MatmulEpilogue : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, MatmulEpilogue, device_runs(), run_name);

// Rows of 33 elements at a distance of 40; matrices of 5 rows at a distance of 7.
constexpr MatmulShape kShape{
    .m = 5, .n = 33, .k = 0, .lda = 1, .ldb = 33, .ldc = 40, .batch = 2, .stride_c = 280};
constexpr int64_t kSize = 560;

TEST_P(MatmulEpilogue, ZeroDoesNotTouchThePaddingBetweenRows) {
  for_each_float_type([]<typename T>(Type<T>) {
    Both<T> c = some_numbers<T>(kSize, 1);
    kernels::matmul(OnCpu{}, c.host(), c.host(), c.host(), kShape, false);
    kernels::cuda::zero_product(OnCuda{}, c.device(), kShape);
    expect_same_bits(c);
  });
}

// With k = 0, the CPU computes only bias and activation.
TEST_P(MatmulEpilogue, BiasAndActivationAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const auto activation : {Activation::kNone, Activation::kGelu, Activation::kRelu}) {
      for (const bool kept : {false, true}) {
        Both<T> c(kSize), before(kSize), bias = some_numbers<T>(33, 2);
        T* const none = nullptr;
        kernels::matmul_bias_activation(OnCpu{}, c.host(), kept ? before.host() : none, c.host(),
                                        c.host(), bias.host(), kShape, activation);
        kernels::cuda::zero_product(OnCuda{}, c.device(), kShape);
        kernels::cuda::add_bias_and_activate(OnCuda{}, c.device(), kept ? before.device() : none,
                                             bias.device(), kShape, activation);
        expect_agreement(c);
        expect_agreement(before);
      }
    }
  });
}

TEST_P(MatmulEpilogue, WithoutBiasOnlyTheActivationIsApplied) {
  Both<float> c{-1.0f, 2.0f};
  const MatmulShape shape{.m = 1, .n = 2, .ldc = 2};
  kernels::cuda::add_bias_and_activate<float>(OnCuda{}, c.device(), nullptr, nullptr, shape,
                                              Activation::kRelu);
  EXPECT_EQ(c.from_device()[0], 0.0f);
  EXPECT_EQ(c.from_device()[1], 2.0f);
}

}  // namespace
}  // namespace ripieno::testing
