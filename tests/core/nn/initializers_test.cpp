#include "ripieno/core/nn/initializers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ripieno/core/ops/truncated_normal.h"
#include "ripieno/core/random.h"
#include "support/gpu_test.h"

namespace ripieno::nn {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct One : Module {
  One(const Shape& shape, const Initial& initial) { weight = add_parameter("w", shape, initial); }
  Tensor weight;
};

struct Moments {
  double mean = 0, deviation = 0, largest = 0;
};

Moments moments_of(const Initial& initial) {
  One model({256, 128}, initial);
  Moments moments;
  const auto values = model.weight.to_vector<double>();
  const auto count = static_cast<double>(values.size());
  for (const double x : values) moments.mean += x / count;
  for (const double x : values) {
    moments.deviation += (x - moments.mean) * (x - moments.mean) / count;
    moments.largest = std::max(moments.largest, std::abs(x));
  }
  moments.deviation = std::sqrt(moments.deviation);
  return moments;
}

TEST(Initializers, DrawTheDeviationsOfTheirFormulas) {
  const Shape shape = {256, 128};
  const double kaiming = std::sqrt(2.0 / 128), xavier = std::sqrt(2.0 / (256 + 128));
  for (const auto& [initial, deviation] :
       {std::pair{kaiming_normal(shape), kaiming}, std::pair{kaiming_uniform(shape), kaiming},
        std::pair{kaiming_normal(shape, {.fan = Fan::out}), kaiming / std::sqrt(2.0)},
        std::pair{xavier_normal(shape), xavier}, std::pair{xavier_uniform(shape), xavier},
        std::pair{gpt2_weight(), 0.02}, std::pair{gpt2_residual(8), 0.005}}) {
    const Moments moments = moments_of(initial);
    EXPECT_NEAR(moments.mean, 0.0, 0.03 * deviation);
    EXPECT_NEAR(moments.deviation, deviation, 0.02 * deviation);
  }
}

TEST(Initializers, KeepUniformNumbersWithinTheirBounds) {
  const Shape shape = {256, 128};
  const double bound = std::sqrt(3.0) * std::sqrt(2.0 / 128);
  const Moments moments = moments_of(kaiming_uniform(shape));
  EXPECT_LE(moments.largest, bound);
  EXPECT_GT(moments.largest, 0.99 * bound);
}

// The deviation of a normal distribution that is cut off at 2 of its deviations is 0.8796 of it.
TEST(Initializers, TruncateNormalNumbers) {
  for (const auto& [initial, deviation] :
       {std::pair{llama_weight(), 0.02}, std::pair{llama_residual(7), 0.005}}) {
    const Moments moments = moments_of(initial);
    EXPECT_LE(moments.largest, 2.0 * deviation * (1 + 1e-6));
    EXPECT_GT(moments.largest, 1.99 * deviation);
    EXPECT_NEAR(moments.deviation, 0.8796 * deviation, 0.02 * deviation);
    EXPECT_NEAR(moments.mean, 0.0, 0.03 * deviation);
  }
  EXPECT_LE(moments_of(llama_head(64)).largest, 3.0 / 8 * (1 + 1e-6));
}

TEST(Initializers, DependOnTheSeedAndThePath) {
  const auto values = [](uint64_t seed) {
    ScopedRandomContext scope({.seed = seed});
    return One({5, 7}, llama_weight()).weight.to_vector<float>();
  };
  EXPECT_EQ(values(3), values(3));
  EXPECT_NE(values(3), values(4));
}

// With a wide bound, a uniform number of 1 is drawn about once in 2^24.
TEST(Initializers, TheQuantilesOfTheEndsAreInfinite) {
  EXPECT_EQ(normal_quantile(1.0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(normal_quantile(0.0), -std::numeric_limits<double>::infinity());
  EXPECT_NEAR(normal_quantile(0.5), 0.0, 1e-15);
}

class InitializersOnAGpu : public ripieno::testing::GpuTest {};

TEST_F(InitializersOnAGpu, DrawTheNumbersOfTheCpu) {
  for (const Initial& initial :
       {llama_weight(), kaiming_uniform({33, 5}), xavier_normal({33, 5})}) {
    One on_cpu({33, 5}, initial), on_gpu({33, 5}, initial);
    on_gpu.to(Device::cuda());
    EXPECT_THAT(
        on_gpu.weight.to_vector<float>(),
        ::testing::Pointwise(::testing::FloatNear(1e-6f), on_cpu.weight.to_vector<float>()));
  }
}

TEST(Initializers, RejectWhatTheyCannotInitialize) {
  const auto expect = [](const auto& call, const char* message) {
    EXPECT_THAT(call, ThrowsMessage<Error>(HasSubstr(message)));
  };
  expect([] { kaiming_normal({5}); }, "the weight is (5); it must have at least two axes");
  expect([] { kaiming_uniform({5, 3}, {.gain = -1.0}); }, "kaiming_uniform: gain is -1");
  expect([] { xavier_normal({5, 3}, std::nan("")); }, "xavier_normal: gain is nan");
  expect([] { gpt2_residual(0); }, "gpt2_residual: layers is 0");
  expect([] { llama_residual(-1); }, "llama_residual");
  expect([] { llama_head(0); }, "llama_head: channels is 0");
  expect([] { fill_truncated_normal(Tensor::zeros({2}), 1.0, 0.0, {}); }, "bound is 0");
  expect([] { fill_truncated_normal(Tensor::zeros({2}, DType::int32), 1.0, 2.0, {}); },
         "requires a floating-point tensor");
}

}  // namespace
}  // namespace ripieno::nn
