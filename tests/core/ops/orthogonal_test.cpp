#include "ripieno/core/ops/orthogonal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ripieno/core/nn/linear.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<double> orthogonal(const Shape& shape, double gain = 1.0, uint64_t seed = 1) {
  const Tensor x(shape, DType::float64);
  fill_orthogonal(x, gain, {.seed = seed});
  return x.to_vector<double>();
}

// Checks `vectors` vectors of `size` numbers in x: they start `next` apart, and their numbers are
// `step` apart. Each must have the norm `gain` and be orthogonal to the others.
void expect_orthogonal(const std::vector<double>& x, int64_t vectors, int64_t size, int64_t next,
                       int64_t step, double gain, double tolerance = 1e-12) {
  for (int64_t a = 0; a < vectors; ++a) {
    for (int64_t b = 0; b <= a; ++b) {
      double product = 0;
      for (int64_t i = 0; i < size; ++i) product += x[a * next + i * step] * x[b * next + i * step];
      ASSERT_NEAR(product, a == b ? gain * gain : 0.0, tolerance) << a << ", " << b;
    }
  }
}

TEST(Orthogonal, HasOrthonormalColumnsIfTallAndRowsIfWide) {
  expect_orthogonal(orthogonal({33, 33}), 33, 33, 1, 33, 1.0);
  expect_orthogonal(orthogonal({33, 7}), 7, 33, 1, 7, 1.0);
  expect_orthogonal(orthogonal({7, 33}), 7, 33, 33, 1, 1.0);
  expect_orthogonal(orthogonal({1, 5}), 1, 5, 5, 1, 1.0);
}

TEST(Orthogonal, AppliesTheGainAndFlattensAllAxesButTheFirst) {
  expect_orthogonal(orthogonal({5, 3, 2, 2}, std::sqrt(2.0)), 5, 12, 12, 1, std::sqrt(2.0));
}

TEST(Orthogonal, DependsOnlyOnKeyAndShape) {
  const auto expected = orthogonal({65, 31});
  for (const int threads : {1, 2, 4}) {
    kernels::set_cpu_threads(threads);
    EXPECT_EQ(orthogonal({65, 31}), expected) << threads;
  }
  kernels::set_cpu_threads(1);
  EXPECT_NE(orthogonal({65, 31}, 1.0, 2), expected);
}

// The first number of a column has either sign, because r has a positive diagonal; the signs of the
// factorization itself would be biased.
TEST(Orthogonal, IsAsOftenNegativeAsPositive) {
  int negative = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) negative += orthogonal({2, 2}, 1.0, seed)[0] < 0;
  EXPECT_NEAR(negative, 100, 35);
}

TEST(Orthogonal, InitializesParametersOfAnyType) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    nn::Linear layer(9, 5, {.weight = nn::Initial::orthogonal(2.0)});
    layer.to(Device::cpu(), dtype);
    const auto weight = layer.weight().to(DType::float64).to_vector<double>();
    expect_orthogonal(weight, 5, 9, 9, 1, 2.0, dtype == DType::float32 ? 1e-5 : 0.1);
  }
}

TEST(Orthogonal, RejectsVectorsAndIntegers) {
  const auto rejects = [](const Tensor& x) {
    EXPECT_THAT([&] { fill_orthogonal(x, 1.0, {}); }, ThrowsMessage<Error>(HasSubstr("two axes")));
  };
  rejects(Tensor({3}));
  rejects(Tensor({3, 3}, DType::int32));
  rejects(Tensor());
}

TEST(Orthogonal, OfNoElementsDoesNothing) {
  EXPECT_TRUE(orthogonal({0, 3}).empty());
  EXPECT_TRUE(orthogonal({3, 0}).empty());
}

}  // namespace
}  // namespace ripieno
