// What convolutions, poolings, upsampling and channel norms refuse, and what their layers do.
#include "ripieno/core/nn/convolution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "ripieno/core/nn/channel_norm.h"
#include "ripieno/core/nn/flatten.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/nn/module_list.h"
#include "ripieno/core/nn/pooling.h"
#include "ripieno/core/nn/sequential.h"
#include "ripieno/core/nn/skip_connection.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/ops/upsample.h"
#include "ripieno/core/random.h"
#include "ripieno/core/statistics_sum.h"

namespace ripieno {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

template <typename... Text>
auto refuses_with(const Text&... text) {
  return ThrowsMessage<Error>(AllOf(HasSubstr(text)...));
}

TEST(ConvolutionChecks, NameShapesAndTheRule) {
  const Tensor x({2, 3, 8, 8}), weight({4, 3, 3, 3});
  EXPECT_THAT(
      [&] {
        conv2d(x, Tensor({4, 2, 3, 3}));
      },
      refuses_with("conv2d: x is (2, 3, 8, 8), weight is (4, 2, 3, 3)", "groups is 1"));
  EXPECT_THAT(
      [&] {
        conv2d(x, Tensor({4, 3, 3}));
      },
      refuses_with("(batch, inputs, height, width)"));
  EXPECT_THAT([&] { conv1d(x, weight); }, refuses_with("conv1d: ", "(batch, inputs, length)"));
  EXPECT_THAT([&] { conv2d(x, weight, Tensor({3})); },
              refuses_with("bias is (3), weight is (4, 3, 3, 3); bias must be (outputs)"));
  EXPECT_THAT([&] { conv2d(x, weight.to(DType::float64)); },
              refuses_with("conv2d: x is float32 on cpu, weight is float64 on cpu"));
  EXPECT_THAT(
      [&] {
        conv2d(Tensor({2, 3, 2, 8}), weight);
      },
      refuses_with("axis 2 of x has 2 elements and padding 0, fewer than the 3"));
  EXPECT_THAT([&] { conv2d(x, Tensor()); }, refuses_with("conv2d: weight is undefined"));
  EXPECT_THAT([&] { conv2d(x.to(DType::int32), weight.to(DType::int32)); },
              refuses_with("floating-point"));
}

TEST(ConvolutionChecks, NameOptionsOutsideTheirDomain) {
  const Tensor x({2, 4, 8, 8}), weight({4, 4, 3, 3});
  EXPECT_THAT(
      [&] {
        conv2d(x, weight, {}, {.stride = {1, 0}});
      },
      refuses_with("stride is (1, 0); it must be between 1 and"));
  EXPECT_THAT([&] { conv2d(x, weight, {}, {.padding = -1}); }, refuses_with("padding is (-1, -1)"));
  EXPECT_THAT([&] { conv2d(x, weight, {}, {.dilation = std::numeric_limits<int64_t>::max()}); },
              refuses_with("dilation is"));
  for (const int64_t groups : {-1, 0, 3, 4}) {
    EXPECT_THAT([&] { conv2d(x, weight, {}, {.groups = groups}); }, refuses_with("groups is"));
  }
}

TEST(PoolingChecks, NameShapesAndOptions) {
  const Tensor x({2, 3, 8, 8});
  EXPECT_THAT(
      [&] {
        max_pool(Tensor({8, 8}), 2);
      },
      refuses_with("max_pool: x is (8, 8); it must be (batch, channels, length)"));
  EXPECT_THAT([&] { max_pool(x, 0); }, refuses_with("max_pool: window is (0, 0)"));
  EXPECT_THAT([&] { max_pool(x, 2, {.padding = 2}); },
              refuses_with("padding must be at most half"));
  EXPECT_THAT([&] { average_pool(x, 9); },
              refuses_with("average_pool: an axis of x has 8 elements and padding 0"));
  EXPECT_THAT([&] { average_pool(x, 2, {.stride = PerAxis(0)}); },
              refuses_with("stride is (0, 0)"));
  EXPECT_THAT(
      [&] {
        adaptive_average_pool(x, {3, 0});
      },
      refuses_with("adaptive_average_pool: size is (3, 0)"));
  EXPECT_THAT([&] { global_max_pool(Tensor({2, 3, 0})); }, refuses_with("only batch may be 0"));
  EXPECT_THAT([&] { upsample(x, {8, -1}); }, refuses_with("upsample: size is (8, -1)"));
  EXPECT_THAT(
      [&] {
        upsample(Tensor({2, 3, 0, 8}), 4);
      },
      refuses_with("upsample: x is (2, 3, 0, 8)"));
}

TEST(ChannelNormChecks, NameShapesAndOptions) {
  const Tensor x({2, 6, 5});
  EXPECT_THAT([&] { batch_norm(Tensor({6})); }, refuses_with("it must be (batch, channels, …)"));
  EXPECT_THAT([&] { batch_norm(x, Tensor({5})); },
              refuses_with("batch_norm: x is (2, 6, 5), weight is (5); it must be (6)"));
  EXPECT_THAT([&] { batch_norm(Tensor({1, 6})); }, refuses_with("at least 2 elements"));
  EXPECT_THAT([&] { batch_norm_with(x, Tensor({6}), Tensor({5})); },
              refuses_with("mean and variance must be (6)"));
  EXPECT_THAT([&] { group_norm(x, 4); }, refuses_with("group_norm: x is (2, 6, 5), groups is 4"));
  EXPECT_THAT([&] { instance_norm(Tensor({2, 6})); }, refuses_with("instance_norm: x is (2, 6)"));
}

TEST(ConvolutionLayers, RejectSizesThatCannotBe) {
  EXPECT_THAT([] { nn::Conv2d(3, 4, 0); },
              ThrowsMessage<ConfigurationError>(HasSubstr("conv2d: inputs is 3, outputs is 4")));
  EXPECT_THAT([] { nn::Conv1d(3, 4, 1, {.groups = 2}); },
              ThrowsMessage<ConfigurationError>(HasSubstr("multiples of groups")));
  EXPECT_THAT([] { nn::BatchNorm(4, {.momentum = 1.5}); },
              ThrowsMessage<ConfigurationError>(HasSubstr("momentum is 1.5")));
  EXPECT_THAT([] { nn::GroupNorm(3, 4); },
              ThrowsMessage<ConfigurationError>(HasSubstr("channels is 4, groups is 3")));
}

TEST(ConvolutionLayers, StartWithinTheBoundOfKaiming) {
  nn::Sequential model{nn::Conv2d(4, 8, {3, 5}, {.groups = 2})};
  const auto parameters = model.parameters();
  const double bound = 1.0 / std::sqrt(2.0 * 15);
  double largest = 0;
  for (const float value : parameters.values().flat().to_vector<float>())
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, 0.9 * bound);
  EXPECT_EQ(to_string(parameters.tensors()[0].shape()), "(8, 2, 3, 5)");
}

TEST(BatchNormLayer, EvaluatesWithItsRunningStatistics) {
  nn::BatchNorm norm(1, {.momentum = 0.5});
  const Tensor x = Tensor::of<float>({4, 1}, {1, 3, 5, 7});  // mean 4, unbiased variance 20 / 3
  norm(x);
  EXPECT_THAT(norm.running_mean().to_vector<float>(), Each(2.0f));
  EXPECT_FLOAT_EQ(norm.running_variance().to_vector<float>()[0], 0.5f + 10.0f / 3);
  norm.evaluate();
  const float deviation = std::sqrt(0.5f + 10.0f / 3 + 1e-5f);
  EXPECT_FLOAT_EQ(norm(x).to_vector<float>()[3], (7 - 2) / deviation);
  EXPECT_THAT(norm.running_mean().to_vector<float>(), Each(2.0f)) << "not changed by evaluation";
}

TEST(Modules, OfAChainKeepTheirNames) {
  nn::Sequential model{nn::Conv2d(1, 4, 3, {.padding = 1}),
                       nn::SkipConnection(nn::BatchNorm(4)),
                       nn::MaxPool2d(2),
                       nn::Upsample(2),
                       nn::AdaptiveAveragePool2d({2, 1}),
                       nn::Flatten()};
  EXPECT_EQ(to_string(model(Tensor::zeros({2, 1, 6, 6})).shape()), "(2, 8)");
  nn::ModuleList<nn::Linear> layers;
  layers.append(nn::Linear(2, 3));
  layers.append(nn::Linear(3, 1));
  EXPECT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers.parameters().layout().entries()[2].name, "1.weight");
  std::vector<std::string> names;
  for (const auto& entry : model.parameters().layout().entries()) names.push_back(entry.name);
  EXPECT_THAT(names,
              ::testing::ElementsAre("0.weight", "0.bias", "1.branch.weight", "1.branch.bias"));
}

TEST(Modules, OfASkipConnectionMustKeepTheShape) {
  const nn::SkipConnection block(nn::Linear(2, 3));
  EXPECT_THAT(
      [&] {
        block(Tensor::zeros({4, 2}));
      },
      refuses_with("x is (4, 2), the branch returned (4, 3)"));
}

class CountedSums final : public StatisticsSum {
 public:
  void sum(const Tensor&) override { ++calls; }
  int calls = 0;
};

TEST(BatchStatistics, ARankWithoutRowsCallsTheSameCollectives) {
  for (const int64_t rows : {3, 0}) {
    const auto ranks = std::make_shared<CountedSums>();
    Tensor x = Tensor::zeros({rows, 2, 4});
    x.set_requires_gradient();
    const Tensor result = batch_norm(x, {}, {}, 1e-5, ranks).normalized;
    EXPECT_EQ(ranks->calls, 2);
    sum(result).backward();
    EXPECT_EQ(ranks->calls, 3) << rows << " rows";
  }
}

}  // namespace
}  // namespace ripieno
