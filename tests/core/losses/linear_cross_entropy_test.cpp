#include "ripieno/core/losses/linear_cross_entropy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/embedding.h"
#include "ripieno/core/ops/gradient_check.h"
#include "ripieno/core/ops/linear.h"
#include "ripieno/core/random.h"

namespace ripieno {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Inputs = std::vector<Tensor>;

// The smallest chunks: 128 rows.
const LinearCrossEntropyOptions kSmallChunks = {.chunk_bytes = 1};
constexpr int64_t kRows = 300, kInputs = 20, kClasses = 33;

Tensor random(const Shape& shape, uint64_t seed, DType dtype = DType::float32) {
  Tensor x(shape, dtype);
  fill_uniform(x, -1.0, 1.0, {.seed = seed});
  return x;
}

// Target classes, of which some are ignored.
Tensor some_targets(int64_t rows, int64_t classes) {
  std::vector<int32_t> values;
  for (int64_t r = 0; r < rows; ++r) {
    values.push_back(r % 7 == 3 ? kIgnoredTarget : static_cast<int32_t>(r * r % classes));
  }
  return Tensor::of({rows}, values);
}

struct Head {
  Tensor x, weight, targets = some_targets(kRows, kClasses);

  explicit Head(DType dtype = DType::float32)
      : x(random({kRows, kInputs}, 1).to(dtype)), weight(random({kClasses, kInputs}, 2).to(dtype)) {
    x.set_requires_gradient();
    weight.set_requires_gradient();
  }
};

void expect_near(const Tensor& actual, const Tensor& expected, double tolerance) {
  const auto a = actual.to_vector<float>(), b = expected.to_vector<float>();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_NEAR(a[i], b[i], tolerance * std::max(1.0f, std::abs(b[i]))) << "element " << i;
  }
}

TEST(LinearCrossEntropy, EqualsCrossEntropyOfLinearForAnyChunkSize) {
  for (const DType dtype : {DType::float32, DType::float64, DType::bfloat16, DType::float16}) {
    const double tolerance = size_of(dtype) == 2 ? 0.02 : 1e-5;
    Head head(dtype), whole(DType::float32);
    whole.x = head.x.detach().to(DType::float32).set_requires_gradient();
    whole.weight = head.weight.detach().to(DType::float32).set_requires_gradient();
    const Loss expected = cross_entropy(linear(whole.x, whole.weight), whole.targets);
    (expected.sum * 0.5).backward();
    for (const int64_t chunk_bytes : {1, 200 * 33 * 4, 0}) {
      head.x.clear_gradient();
      head.weight.clear_gradient();
      const Loss loss =
          linear_cross_entropy(head.x, head.weight, head.targets, {.chunk_bytes = chunk_bytes});
      (loss.sum * 0.5).backward();
      EXPECT_NEAR(loss.sum.item(), expected.sum.item(), tolerance * expected.sum.item());
      EXPECT_EQ(loss.count.item(), expected.count.item());
      expect_near(head.x.gradient(), whole.x.gradient(), tolerance);
      expect_near(head.weight.gradient(), whole.weight.gradient(), tolerance);
    }
  }
}

TEST(LinearCrossEntropy, GradientAgreesWithFiniteDifferencesAcrossChunks) {
  const Tensor targets = some_targets(140, 5);
  const auto function = [&](const Inputs& in) {
    return linear_cross_entropy(in[0], in[1], targets, kSmallChunks).sum;
  };
  const Inputs inputs = {random({2, 70, 3}, 1, DType::float64), random({5, 3}, 2, DType::float64)};
  EXPECT_LT(gradient_check(function, inputs), 1e-7);
}

TEST(LinearCrossEntropy, AddsBothGradientsOfAWeightTiedToTheEmbedding) {
  const Tensor ids = Tensor::of<int32_t>({6}, {4, 0, 4, 2, 4, 0});
  const Tensor targets = Tensor::of<int32_t>({6}, {0, 4, 2, 4, -1, 1});
  const auto function = [&](const Inputs& in) {
    return linear_cross_entropy(embedding(in[0], ids), in[0], targets).sum;
  };
  EXPECT_LT(gradient_check(function, {random({5, 3}, 1, DType::float64)}), 1e-7);
}

TEST(LinearCrossEntropy, HooksRunOnceWithTheCompleteGradient) {
  Tensor weight = random({5, 3}, 1).set_requires_gradient();
  const Tensor ids = Tensor::of<int32_t>({3}, {4, 0, 4});
  std::vector<std::vector<float>> seen;
  weight.on_gradient([&] { seen.push_back(weight.gradient().to_vector<float>()); });
  linear_cross_entropy(embedding(weight, ids), weight, ids).sum.backward();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0], weight.gradient().to_vector<float>());
}

TEST(LinearCrossEntropy, AccumulatesIntoAnExistingGradient) {
  Head head;
  const auto backward = [&] {
    linear_cross_entropy(head.x, head.weight, head.targets, kSmallChunks).sum.backward();
  };
  backward();
  const Tensor once = head.weight.gradient().clone();
  backward();
  expect_near(head.weight.gradient(), once * 2.0, 1e-6);
}

TEST(LinearCrossEntropy, ComputesOnlyRequiredGradients) {
  Head both, one;
  linear_cross_entropy(both.x, both.weight, both.targets).sum.backward();
  linear_cross_entropy(one.x.detach(), one.weight, one.targets).sum.backward();
  EXPECT_FALSE(one.x.gradient().defined());
  EXPECT_EQ(one.weight.gradient().to_vector<float>(), both.weight.gradient().to_vector<float>());
  linear_cross_entropy(one.x, one.weight.detach(), one.targets).sum.backward();
  EXPECT_EQ(one.x.gradient().to_vector<float>(), both.x.gradient().to_vector<float>());
}

// A probability of e^-17 is below the smallest float16 number; its gradient of a scaled loss is
// not.
TEST(LinearCrossEntropy, ScaledGradientsOfUnlikelyClassesDoNotUnderflowInFloat16) {
  const Tensor x = Tensor::of<float>({1, 1}, {1.0f}).to(DType::float16);
  Tensor weight = Tensor::of<float>({2, 1}, {0.0f, -17.0f}).to(DType::float16);
  weight.set_requires_gradient();
  const Loss loss = linear_cross_entropy(x, weight, Tensor::of<int32_t>({1}, {0}));
  (loss.sum * 65536.0).backward();
  const double expected = 65536.0 * std::exp(-17.0);
  EXPECT_NEAR(weight.gradient().to_vector<float>()[1], expected, 0.01 * expected);
}

TEST(LinearCrossEntropy, ReturnsTheSameLossWithoutRecording) {
  const Head head;
  const double recorded = linear_cross_entropy(head.x, head.weight, head.targets).sum.item();
  const NoGrad no_grad;
  const Loss loss = linear_cross_entropy(head.x, head.weight, head.targets);
  EXPECT_EQ(loss.sum.item(), recorded);
  EXPECT_FALSE(loss.sum.requires_gradient());
}

TEST(LinearCrossEntropy, NeverHoldsAllLogits) {
  const int64_t rows = 4096, classes = 1000;
  const Tensor x = random({rows, 8}, 1), weight = random({classes, 8}, 2).set_requires_gradient();
  const Tensor targets = some_targets(rows, classes);
  Pool& memory = pool(Device::cpu());
  memory.trim();
  const int64_t before = memory.statistics().bytes_held;
  linear_cross_entropy(x, weight, targets, {.chunk_bytes = 1 << 20}).sum.backward();
  const int64_t logits = rows * classes * 4;
  EXPECT_LT(memory.statistics().bytes_held - before, logits / 4);
}

TEST(LinearCrossEntropy, OfNoRowsIsZeroWithZeroGradient) {
  Tensor weight = random({5, 3}, 1).set_requires_gradient();
  const Loss loss = linear_cross_entropy(Tensor({0, 3}), weight, Tensor({0}, DType::int32));
  loss.sum.backward();
  EXPECT_EQ(loss.sum.item(), 0.0);
  EXPECT_EQ(weight.gradient().to_vector<float>(), std::vector<float>(15, 0.0f));
}

TEST(LinearCrossEntropy, RejectsAnEmptyWeight) {
  const Tensor none = Tensor::zeros({0}, DType::int32);
  EXPECT_THAT(
      [&] {
        linear_cross_entropy(Tensor({0, 5}), Tensor({0, 5}), none);
      },
      ThrowsMessage<Error>(HasSubstr("at least one class")));
  EXPECT_THAT(
      [&] {
        linear_cross_entropy(Tensor({3, 0}), Tensor({5, 0}), none);
      },
      ThrowsMessage<Error>(HasSubstr("one input, got (5, 0)")));
}

TEST(LinearCrossEntropy, NamesTheShapesThatDoNotMatch) {
  const Head head;
  EXPECT_THAT([&] { linear_cross_entropy(head.weight, head.weight, head.targets); },
              ThrowsMessage<Error>(HasSubstr("x is (33, 20), targets is (300)")));
  EXPECT_THAT(
      [&] {
        linear_cross_entropy(Tensor({3, 7}), head.weight, head.targets);
      },
      ThrowsMessage<Error>(HasSubstr("x is (3, 7), weight is (33, 20)")));
  EXPECT_THAT(
      [&] {
        linear_cross_entropy(Tensor({1, 20}), head.weight, Tensor::of<int32_t>({1}, {33}));
      },
      ThrowsMessage<DataError>(HasSubstr("target 33 at position 0 is not one of the 33 classes")));
}

}  // namespace
}  // namespace ripieno
