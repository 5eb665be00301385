// Compares operations with values by hand and plain loops, and checks the arguments that they
// reject.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/attention.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/core/ops/embedding.h"
#include "ripieno/core/ops/functions.h"
#include "ripieno/core/ops/layer_norm.h"
#include "ripieno/core/ops/linear.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/order.h"
#include "ripieno/core/ops/rearrange.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/ops/softmax.h"
#include "ripieno/core/random.h"
#include "ripieno/core/tensor_implementation.h"

namespace ripieno {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

Tensor random(const Shape& shape, uint64_t seed) {
  Tensor x(shape);
  fill_normal(x, 0.0, 1.0, {.seed = seed});
  return x;
}

// Reference attention that computes all scores.
std::vector<float> attention_by_hand(const Tensor& qkv, int64_t heads) {
  const int64_t batch = qkv.size(0), time = qkv.size(1), channels = qkv.size(2) / 3;
  const int64_t size = channels / heads;
  const float* x = qkv.data<float>();
  std::vector<float> out;
  const auto at = [&](int64_t b, int64_t t, int64_t part, int64_t h, int64_t d) {
    return static_cast<double>(x[(b * time + t) * 3 * channels + part * channels + h * size + d]);
  };
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t t = 0; t < time; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        std::vector<double> weights;
        double total = 0.0;
        for (int64_t s = 0; s <= t; ++s) {
          double score = 0.0;
          for (int64_t d = 0; d < size; ++d) score += at(b, t, 0, h, d) * at(b, s, 1, h, d);
          weights.push_back(std::exp(score / std::sqrt(static_cast<double>(size))));
          total += weights.back();
        }
        for (int64_t d = 0; d < size; ++d) {
          double sum = 0.0;
          for (int64_t s = 0; s <= t; ++s)
            sum += weights[static_cast<std::size_t>(s)] / total * at(b, s, 2, h, d);
          out.push_back(static_cast<float>(sum));
        }
      }
    }
  }
  return out;
}

TEST(Operation, CausalAttentionIsSoftmaxOverThePast) {
  for (const int64_t time : {1, 31, 64, 65, 200}) {
    const Tensor qkv = random({2, time, 3 * 2 * 16}, 3);
    EXPECT_THAT(causal_attention(qkv, 2).to_vector<float>(),
                Pointwise(FloatNear(2e-5f), attention_by_hand(qkv, 2)))
        << time;
  }
}

TEST(Operation, ArithmeticBroadcasts) {
  const Tensor a = Tensor::of<float>({2, 1}, {10, 20}), b = Tensor::of<float>({3}, {1, 2, 3});
  EXPECT_THAT((a + b).to_vector<float>(), ElementsAre(11, 12, 13, 21, 22, 23));
  EXPECT_THAT((b - a).to_vector<float>(), ElementsAre(-9, -8, -7, -19, -18, -17));
  EXPECT_THROW(a + Tensor::of<float>({4}, {1, 2, 3, 4})
                       .reshape({2, 2, 1})
                       .expand({2, 2, 2})
                       .reshape({4, 2})
                       .slice(0, 0, 3),
               Error);
}

TEST(Operation, ActivationGradientTakesDenseTensorsOfOneShapeAndType) {
  const Tensor x = Tensor::of<float>({2, 2}, {1, -2, 3, -4});
  EXPECT_THAT(activation_gradient(x, x, Activation::kRelu).to_vector<float>(),
              ElementsAre(1, 0, 3, 0));
  for (const Tensor& other :
       {Tensor(), Tensor::zeros({2}), x.transpose(0, 1), Tensor::zeros({2, 2}, DType::float64)}) {
    EXPECT_THROW(activation_gradient(x, other, Activation::kRelu), Error);
    EXPECT_THROW(activation_gradient(other, x, Activation::kRelu), Error);
  }
}

TEST(Operation, MatmulReadsTransposedViewsInPlace) {
  const Tensor a = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(matmul(a, a.transpose(0, 1)).to_vector<float>(), ElementsAre(14, 32, 32, 77));
  EXPECT_THAT(matmul(a.transpose(0, 1), a).to_vector<float>(),
              ElementsAre(17, 22, 27, 22, 29, 36, 27, 36, 45));
  EXPECT_THAT(matmul(a.slice(1, 1, 3), a.slice(1, 0, 2).transpose(0, 1)).to_vector<float>(),
              ElementsAre(2 * 1 + 3 * 2, 2 * 4 + 3 * 5, 5 * 1 + 6 * 2, 5 * 4 + 6 * 5));
}

TEST(Operation, MatmulNamesBothShapes) {
  try {
    matmul(Tensor::zeros({8, 16}), Tensor::zeros({32, 4}));
    FAIL() << "did not throw";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "matmul: inner sizes differ, (8, 16) x (32, 4)");
  }
}

TEST(Operation, LinearIsAMatrixProductWithBiasAndActivation) {
  const Tensor x = Tensor::of<float>({1, 2}, {1, -2}),
               weight = Tensor::of<float>({2, 2}, {1, 1, 3, 1});
  const Tensor bias = Tensor::of<float>({2}, {0.5f, 0.5f});
  EXPECT_THAT(linear(x, weight, bias).to_vector<float>(), ElementsAre(-0.5f, 1.5f));
  EXPECT_THAT(linear(x, weight, bias, Activation::kRelu).to_vector<float>(),
              ElementsAre(0.0f, 1.5f));
  EXPECT_THAT(linear(x, weight.transpose(0, 1)).to_vector<float>(), ElementsAre(-5.0f, -1.0f));
  EXPECT_THROW(linear(x, Tensor::zeros({2, 3})), Error);
}

// The result and the gradients of all inputs, by feed_forward or by two linear layers.
std::vector<std::vector<float>> gradients_of(const std::vector<Tensor>& inputs, bool as_one) {
  std::vector<Tensor> in;
  for (const Tensor& input : inputs) {
    in.push_back(input.clone());
    in.back().set_requires_gradient();
  }
  const Tensor y = as_one
                       ? feed_forward(in[0], {in[1], in[2]}, {in[3], in[4]}, Activation::kGeluTanh)
                       : linear(linear(in[0], in[1], in[2], Activation::kGeluTanh), in[3], in[4]);
  sum(square(y)).backward();
  std::vector<std::vector<float>> numbers = {y.to_vector<float>()};
  for (const Tensor& input : in) numbers.push_back(input.gradient().to_vector<float>());
  return numbers;
}

TEST(Operation, FeedForwardIsBitwiseIdenticalToItsTwoLayers) {
  const auto random = [](const Shape& shape, uint64_t seed) {
    Tensor x(shape, DType::float32);
    fill_normal(x, 0.0, 1.0, {.seed = seed});
    return x;
  };
  const std::vector<Tensor> inputs = {random({3, 7, 33}, 1), random({65, 33}, 2), random({65}, 3),
                                      random({33, 65}, 4), random({33}, 5)};
  EXPECT_EQ(gradients_of(inputs, true), gradients_of(inputs, false));
  EXPECT_THROW(feed_forward(inputs[0], {inputs[1], inputs[2]}, {inputs[1], {}}, Activation::kRelu),
               Error);
}

TEST(Operation, ReductionsOverAnyAxis) {
  const Tensor x = Tensor::of<float>({2, 3}, {1, 5, 3, 4, 2, 6});
  EXPECT_EQ(sum(x).item(), 21.0);
  EXPECT_THAT(sum(x, 0).to_vector<float>(), ElementsAre(5, 7, 9));
  EXPECT_THAT(mean(x, 1).to_vector<float>(), ElementsAre(3, 4));
  EXPECT_THAT(max(x, -1).to_vector<float>(), ElementsAre(5, 6));
  EXPECT_EQ(max(x, 0, true).shape(), (Shape{1, 3}));
}

TEST(Operation, AbsOfUnsignedIntegersIsThemselves) {
  const Tensor x = Tensor::of<uint8_t>({3}, {0, 1, 200});
  EXPECT_THAT(abs(x).to_vector<uint8_t>(), ElementsAre(0, 1, 200));
}

TEST(Operation, LinspaceEndsWithItsLastNumber) {
  EXPECT_EQ(Tensor::linspace(0, 1, 50, DType::int64)[49].item(), 1.0);
  EXPECT_EQ(Tensor::linspace(0, 1, 50, DType::float64)[49].item(), 1.0);
  EXPECT_EQ(Tensor::linspace(3, 5, 1)[0].item(), 3.0);
}

TEST(Operation, ComparesLargeIntegersExactly) {
  constexpr int64_t kLarge = int64_t{1} << 60;
  const Tensor x = Tensor::of<int64_t>({3}, {kLarge - 1, kLarge, kLarge + 1});
  const Tensor is_equal = (x == 0x1p60).to(DType::uint8), is_larger = (x > 0x1p60).to(DType::uint8);
  EXPECT_THAT(is_equal.to_vector<uint8_t>(), ElementsAre(0, 1, 0));
  EXPECT_THAT(is_larger.to_vector<uint8_t>(), ElementsAre(0, 0, 1));
}

TEST(Operation, GradientsOfRootsAreZeroAtZero) {
  Tensor x = Tensor::full({2, 3}, 2.0).set_requires_gradient();
  sum(standard_deviation(x, 1)).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), Each(0.0f));
  Tensor y = Tensor::of<float>({3}, {0, 1, 4}).set_requires_gradient();
  norm(y, 0, 0.5).backward();
  EXPECT_THAT(y.gradient().to_vector<float>(), Pointwise(FloatNear(1e-5f), {0.0f, 3.0f, 1.5f}));
}

TEST(Operation, LongCumulativeSumsDoNotStop) {
  constexpr int64_t kLength = (1 << 24) + 100;  // a float at 2^24 does not change by adding 1
  EXPECT_EQ(cumsum(Tensor::ones({kLength}), 0)[-1].item(), static_cast<double>(kLength));
}

TEST(Operation, TheAngleOfTheOriginHasNoGradient) {
  Tensor y = Tensor::of<float>({2}, {0, 0}), x = Tensor::of<float>({2}, {0, 2});
  y.set_requires_gradient();
  x.set_requires_gradient();
  sum(atan2(y, x)).backward();
  EXPECT_THAT(y.gradient().to_vector<float>(), ElementsAre(0.0f, 0.5f));
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(0.0f, 0.0f));
}

TEST(Operation, NamesTheOperationWhoseNumberDoesNotFit) {
  const Tensor x = Tensor::of<uint8_t>({2}, {1, 2});
  EXPECT_THAT([&] { (void)clamp(x, -5, 5); }, ThrowsMessage<Error>(StartsWith("clamp: -5 is not")));
  EXPECT_THAT([&] { (void)masked_fill(x, x, -1.0); },
              ThrowsMessage<Error>(StartsWith("masked_fill: -1 is not")));
}

TEST(Operation, CopiesAreCopiesAlsoWhereNothingMoves) {
  const Tensor x = Tensor::of<int64_t>({2}, {1, 2});
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (Tensor copy : {roll(x, 2, 0), repeat(x, {1}), pad(x, {0, 0}, Padding::reflect),
                      clamp(x, -kInfinity, kInfinity), abs(x), flip(x, Axes({}))})
    copy += 1.0;
  EXPECT_THAT(x.to_vector<int64_t>(), ElementsAre(1, 2));
}

TEST(Operation, SumToRejectsAShapeThatDoesNotExpandToTheTensor) {
  const Tensor x = Tensor::full({4, 3}, 1.0);
  EXPECT_THAT(sum_to(x, {1, 3}).to_vector<float>(), ElementsAre(4, 4, 4));
  for (const Shape& wrong : {Shape{2}, Shape{4}, Shape{2, 3}, Shape{1, 4, 3}}) {
    EXPECT_THAT(
        [&] { sum_to(x, wrong); },
        ThrowsMessage<Error>(HasSubstr("sum_to: x is (4, 3), the shape is " + to_string(wrong))));
  }
}

TEST(Operation, SumRowsIntoRejectsRowsThatTheTensorDoesNotHave) {
  const Tensor x = Tensor::full({4, 3}, 1.0), out = Tensor::zeros({3});
  sum_rows_into(out, x, 4, /*accumulate=*/false);
  EXPECT_THAT(out.to_vector<float>(), ElementsAre(4, 4, 4));
  const auto message = [](const char* text) { return ThrowsMessage<Error>(HasSubstr(text)); };
  for (const int64_t rows : {int64_t{5}, int64_t{3}, int64_t{-4}}) {
    EXPECT_THAT([&] { sum_rows_into(out, x, rows, false); }, message("sum_rows_into: x is (4, 3)"));
  }
  EXPECT_THAT([&] { sum_rows_into(Tensor({0}), x, 4, false); }, message("viewed as (4, 0)"));
  EXPECT_THAT([&] { sum_rows_into(out, Tensor({0}), 1, false); }, message("viewed as (1, 3)"));
  EXPECT_THAT(
      [&] {
        sum_rows_into(out, Tensor({3, 4}).transpose(0, 1), 4, false);
      },
      message("sum_rows_into: x is not dense"));
  EXPECT_THAT([&] { sum_rows_into(out, x.to(DType::float64), 4, false); }, message("must match"));
  EXPECT_NO_THROW(sum_rows_into(Tensor({0}), Tensor({4, 0}), 4, false));
}

TEST(Operation, ReduceWorkspaceRejectsAViewOfAnotherSize) {
  const Tensor x = Tensor::zeros({4, 3});
  EXPECT_NO_THROW(reduce_workspace(x, 1, 4, 3));
  EXPECT_THAT([&] { reduce_workspace(x, -1, -4, 3); },
              ThrowsMessage<Error>(HasSubstr("viewed as (-1, -4, 3)")));
  EXPECT_THAT([&] { reduce_workspace(x, 1, 4, 4); },
              ThrowsMessage<Error>(HasSubstr("viewed as (1, 4, 4)")));
}

TEST(Operation, SoftmaxDoesNotOverflow) {
  EXPECT_EQ(softmax(Tensor::of<float>({1, 2}, {1e30f, 1e30f})).to_vector<float>()[0], 0.5f);
  EXPECT_THROW(softmax(Tensor::zeros({})), Error);
}

TEST(Operation, LayerNormHasMeanZeroAndDeviationOne) {
  const Tensor y = layer_norm(random({1, 1001}, 4) * 3.0 + 7.0);
  EXPECT_NEAR(mean(y).item(), 0.0, 1e-5);
  EXPECT_NEAR(mean(square(y)).item(), 1.0, 1e-4);
}

TEST(Operation, EmbeddingNamesAnIdOutOfRange) {
  const Tensor ids = Tensor::of<int32_t>({2}, {1, 7});
  try {
    embedding(Tensor::zeros({5, 2}), ids);
    FAIL() << "did not throw";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("id 7"));
  }
}

TEST(Operation, EmbeddingAddsThePositions) {
  const Tensor ids = Tensor::of<int32_t>({2, 3}, {1, 0, 1, 2, 2, 0});
  const Tensor table = random({3, 5}, 1), positions = random({3, 5}, 2);
  EXPECT_EQ(embedding(table, ids, positions).to_vector<float>(),
            (embedding(table, ids) + positions).to_vector<float>());
  EXPECT_THAT(
      [&] {
        embedding(table, ids, random({2, 5}, 2));
      },
      ThrowsMessage<Error>(HasSubstr("positions is (2, 5) float32 on cpu, ids is (2, 3)")));
}

TEST(Operation, CrossEntropyIsASumAndACount) {
  const Loss loss = cross_entropy(Tensor::zeros({3, 4}), Tensor::of<int32_t>({3}, {1, -1, 3}));
  EXPECT_NEAR(loss.sum.item(), 2.0 * std::log(4.0), 1e-6);
  EXPECT_EQ(loss.count.item(), 2.0);
  EXPECT_NEAR(loss.mean(), std::log(4.0), 1e-6);
  EXPECT_THROW(cross_entropy(Tensor::zeros({1, 4}), Tensor::of<int32_t>({1}, {4})), DataError);
}

TEST(Operation, DropoutPreservesTheMeanAndKeepsTheExpectedShare) {
  const Tensor y = dropout(Tensor::full({100, 1000}, 1.0), 0.25, 5);
  const std::vector<float> values = y.to_vector<float>();
  const auto dropped = std::count(values.begin(), values.end(), 0.0f);
  EXPECT_NEAR(static_cast<double>(dropped) / 1e5, 0.25, 0.006);
  EXPECT_NEAR(mean(y).item(), 1.0, 0.01);
}

TEST(Operation, DropoutOfAPartOfTheBatchUsesThatPartOfTheMask) {
  const Tensor x = Tensor::full({8, 33}, 1.0);
  const std::vector<float> whole = dropout(x, 0.5, 7).slice(0, 3, 5).to_vector<float>();
  random_context().first_row = 3;
  const std::vector<float> part = dropout(x.slice(0, 3, 5), 0.5, 7).to_vector<float>();
  random_context().first_row = 0;
  EXPECT_EQ(part, whole);
}

TEST(Operation, WorksInSixteenBits) {
  for (const DType dtype : {DType::bfloat16, DType::float16}) {
    const Tensor x = random({4, 32}, 1).to(dtype), w = random({8, 32}, 2).to(dtype);
    const Tensor exact =
        linear(x.to(DType::float32), w.to(DType::float32), {}, Activation::kGeluTanh);
    EXPECT_THAT(linear(x, w, {}, Activation::kGeluTanh).to_vector<float>(),
                Pointwise(FloatNear(0.1f), exact.to_vector<float>()));
  }
}

TEST(Operation, MatmulOfNothingIsZero) {
  EXPECT_THAT(matmul(Tensor({2, 3, 0}), Tensor({0, 4})).to_vector<float>(),
              AllOf(SizeIs(2 * 3 * 4), Each(0.0f)));
  EXPECT_EQ(matmul(Tensor({2, 0, 3}), Tensor({3, 4})).shape(), (Shape{2, 0, 4}));
  EXPECT_EQ(matmul(Tensor({0, 3, 2}), Tensor({2, 4})).shape(), (Shape{0, 3, 4}));
}

// Fills free memory of the pool, which results must not contain.
void leave_garbage(int64_t elements) { Tensor::full({elements}, 77.0); }

TEST(Operation, LinearWithoutOutputsHasZeroGradients) {
  Tensor x = random({3, 4}, 1), weight({0, 4}), bias({0});
  for (Tensor* tensor : {&x, &weight, &bias}) tensor->set_requires_gradient();
  const Tensor y = linear(x, weight, bias);
  EXPECT_EQ(y.shape(), (Shape{3, 0}));
  leave_garbage(12);
  sum(y).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), AllOf(SizeIs(12), Each(0.0f)));
}

TEST(Operation, LinearWithoutInputsIsItsBias) {
  Tensor x({3, 0}), weight({2, 0});
  Tensor bias = Tensor::of<float>({2}, {5, 6});
  leave_garbage(6);
  EXPECT_THAT(linear(x, weight, bias).to_vector<float>(), ElementsAre(5, 6, 5, 6, 5, 6));
  leave_garbage(6);
  EXPECT_THAT(linear(x, weight).to_vector<float>(), Each(0.0f));
}

TEST(Operation, FeedForwardWithoutHiddenUnitsIsItsBias) {
  Tensor x = random({3, 4}, 1);
  x.set_requires_gradient();
  const Tensor bias = Tensor::of<float>({2}, {5, 6});
  leave_garbage(12);
  const Tensor y = feed_forward(x, {Tensor({0, 4}), {}}, {Tensor({2, 0}), bias}, Activation::kRelu);
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(5, 6, 5, 6, 5, 6));
  leave_garbage(12);
  sum(y).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), Each(0.0f));
}

TEST(Operation, RejectsZeroClassesAndAcceptsZeroChannels) {
  for (const int64_t rows : {0, 2}) {
    const Tensor targets = Tensor::zeros({rows}, DType::int32);
    EXPECT_THAT(
        [&] {
          cross_entropy(Tensor({rows, 0}), targets);
        },
        ThrowsMessage<Error>(StartsWith("cross_entropy: ")));
    EXPECT_EQ(softmax(Tensor({rows, 0})).shape(), (Shape{rows, 0}));
    Tensor x({rows, 0}), weight({0}), bias({0});
    for (Tensor* tensor : {&x, &weight, &bias}) tensor->set_requires_gradient();
    const Tensor y = layer_norm(x, weight, bias);
    EXPECT_EQ(y.shape(), (Shape{rows, 0}));
    sum(y).backward();
    EXPECT_EQ(x.gradient().shape(), (Shape{rows, 0}));
  }
  EXPECT_THROW(causal_attention(Tensor({1, 2, 0}), 1), Error);
}

using Call = std::function<void(const Tensor&)>;

// Calls of operations that take one tensor as an argument, with all others given.
std::vector<std::pair<std::string, Call>> calls_of_one_tensor() {
  const Tensor x = random({2, 3}, 1), square = random({3, 3}, 2), row = random({3}, 3);
  const Tensor ids = Tensor::zeros({2}, DType::int32);
  return {
      {"add", [=](const Tensor& t) { (void)(x + t); }},
      {"subtract", [=](const Tensor& t) { (void)(t - x); }},
      {"multiply", [=](const Tensor& t) { (void)(x * t); }},
      {"divide", [=](const Tensor& t) { (void)(t / x); }},
      {"add_into", [=](const Tensor& t) { add_into(x, t); }},
      {"matmul", [=](const Tensor& t) { matmul(t, square); }},
      {"matmul", [=](const Tensor& t) { matmul(x, t); }},
      {"linear", [=](const Tensor& t) { linear(t, square, row); }},
      {"linear", [=](const Tensor& t) { linear(x, t, row); }},
      {"feed_forward",
       [=](const Tensor& t) {
         feed_forward(t, {square, row}, {square, row}, Activation::kRelu);
       }},
      {"feed_forward",
       [=](const Tensor& t) {
         feed_forward(x, {t, row}, {square, row}, Activation::kRelu);
       }},
      {"feed_forward",
       [=](const Tensor& t) {
         feed_forward(x, {square, row}, {t, row}, Activation::kRelu);
       }},
      {"layer_norm", [=](const Tensor& t) { layer_norm(t, row, row); }},
      {"residual_norm", [=](const Tensor& t) { residual_norm({.x = t, .branch = x}); }},
      {"embedding", [=](const Tensor& t) { embedding(t, ids); }},
      {"embedding", [=](const Tensor& t) { embedding(square, t); }},
      {"cross_entropy", [=](const Tensor& t) { cross_entropy(t, ids); }},
      {"cross_entropy", [=](const Tensor& t) { cross_entropy(x, t); }},
      {"linear_cross_entropy", [=](const Tensor& t) { linear_cross_entropy(t, square, ids); }},
      {"linear_cross_entropy", [=](const Tensor& t) { linear_cross_entropy(x, t, ids); }},
      {"linear_cross_entropy", [=](const Tensor& t) { linear_cross_entropy(x, square, t); }},
  };
}

TEST(Operation, NamesAnUndefinedTensor) {
  auto calls = calls_of_one_tensor();
  const Call of_one[] = {[](const Tensor& t) { (void)-t; },
                         [](const Tensor& t) { exp(t); },
                         [](const Tensor& t) { sum(t); },
                         [](const Tensor& t) { mean(t, 0); },
                         [](const Tensor& t) { max(t, 0); },
                         [](const Tensor& t) { softmax(t); },
                         [](const Tensor& t) { relu(t); },
                         [](const Tensor& t) { dropout(t, 0.5, 1); },
                         [](const Tensor& t) { causal_attention(t, 1); },
                         [](const Tensor& t) {
                           (void)Loss{sum(Tensor({1})), t}.mean();
                         }};
  const char* const names[] = {
      "negate",           "exp", "sum", "mean", "max", "softmax", "activation", "dropout",
      "causal_attention", "loss"};
  for (std::size_t i = 0; i < std::size(names); ++i) calls.emplace_back(names[i], of_one[i]);
  for (const auto& [name, call] : calls) {
    const auto on_undefined = [&call = call] { call({}); };
    EXPECT_THAT(on_undefined,
                ThrowsMessage<Error>(AllOf(StartsWith(name + ": "), HasSubstr("is undefined"))))
        << name;
  }
}

// A tensor that claims to be on a GPU; operations must reject it before they read it.
Tensor on_a_gpu(const Shape& shape, DType dtype) {
  auto implementation = std::make_shared<TensorImplementation>();
  implementation->shape = shape;
  implementation->strides = dense_strides(shape);
  implementation->elements = shape.elements();
  implementation->dtype = dtype;
  implementation->device = Device::cuda(0);
  return Tensor::from(std::move(implementation));
}

TEST(Operation, RejectsTensorsOnDifferentDevices) {
  const Tensor x = random({2, 3}, 1), square = random({3, 3}, 2), row = random({3}, 3);
  const Tensor ids = Tensor::zeros({2}, DType::int32);
  const Tensor far_row = on_a_gpu({3}, DType::float32), far_ids = on_a_gpu({2}, DType::int32);
  const std::pair<std::string, std::function<void()>> calls[] = {
      {"add", [&] { (void)(x + far_row); }},
      {"linear", [&] { linear(x, square, far_row); }},
      {"feed_forward",
       [&] {
         feed_forward(x, {square, row}, {square, far_row}, Activation::kRelu);
       }},
      {"layer_norm", [&] { layer_norm(x, far_row, row); }},
      {"layer_norm", [&] { layer_norm(x, row, far_row); }},
      {"layer_norm", [&] { residual_norm({.x = x, .branch = x}, row, far_row); }},
      {"embedding", [&] { embedding(square, far_ids); }},
      {"cross_entropy", [&] { cross_entropy(x, far_ids); }},
      {"linear_cross_entropy", [&] { linear_cross_entropy(x, square, far_ids); }},
  };
  for (const auto& [name, call] : calls) {
    EXPECT_THAT(call, ThrowsMessage<Error>(AllOf(StartsWith(name + ": "), HasSubstr("cuda:0"))))
        << name;
  }
}

TEST(Operation, RejectsParametersOfAnotherElementType) {
  const Tensor x = random({2, 3}, 1), square = random({3, 3}, 2), row = random({3}, 3);
  const Tensor other = row.to(DType::float64);
  EXPECT_THAT(
      [&] { linear(x, square, other); },
      ThrowsMessage<Error>("linear: x is float32 on cpu, bias is float64 on cpu; they must match"));
  EXPECT_THROW(layer_norm(x, row, other), Error);
  EXPECT_THROW(layer_norm(x, other, row), Error);
}

}  // namespace
}  // namespace ripieno
