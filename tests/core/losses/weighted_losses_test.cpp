// Losses with options: what they reject, and targets out of range. Their values are compared in
// tests/parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ripieno/core/device_faults.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/losses/embedding_losses.h"
#include "ripieno/core/losses/mse.h"
#include "ripieno/core/losses/pointwise.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const Tensor kLogits = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
const Tensor kTargets = Tensor::of<int32_t>({2}, {0, 2});

template <typename Call>
void expect_error(const Call& call, const std::string& message) {
  EXPECT_THAT(call, ThrowsMessage<Error>(HasSubstr(message)));
}

TEST(WeightedCrossEntropy, RejectsOptionsOutsideTheirDomain) {
  for (const double smoothing : {-0.1, 1.5, std::nan("")}) {
    expect_error([&] { cross_entropy(kLogits, kTargets, {.label_smoothing = smoothing}); },
                 "cross_entropy: label_smoothing is ");
  }
  expect_error([&] { cross_entropy(kLogits, kTargets, {.class_weights = Tensor::zeros({2})}); },
               "class_weights is (2) float32 on cpu, logits is (2, 3); it must be (3)");
  expect_error([&] { negative_log_likelihood(kLogits, kTargets, {.label_smoothing = 0.5}); },
               "label_smoothing is 0.5; it must be 0");
}

TEST(WeightedCrossEntropy, RejectsTargetsOfOtherShapesAndTypes) {
  expect_error(
      [&] {
        cross_entropy(kLogits, Tensor::zeros({2, 2}), {.label_smoothing = 0.5});
      },
      "logits is (2, 3), targets is (2, 2) of float32");
  expect_error(
      [&] {
        cross_entropy(kLogits, Tensor::zeros({2, 3}, DType::float64), {.label_smoothing = 0.5});
      },
      "targets is float64");
  expect_error(
      [&] {
        negative_log_likelihood(kLogits, Tensor::zeros({2, 3}));
      },
      "targets must be int32, got float32");
}

TEST(WeightedCrossEntropy, RejectsATargetThatIsNoClassBeforeItComputes) {
  const Tensor bad = Tensor::of<int32_t>({2}, {0, 3});
  EXPECT_THAT(
      [&] { cross_entropy(kLogits, bad, {.label_smoothing = 0.5}); },
      ThrowsMessage<DataError>(HasSubstr("target 3 at position 1 is not one of the 3 classes")));
  EXPECT_THROW(negative_log_likelihood(kLogits, bad), DataError);
}

class WeightedCrossEntropyOnAGpu : public ripieno::testing::GpuTest {};

TEST_F(WeightedCrossEntropyOnAGpu, ReportsATargetThatIsNoClassAsADeviceFault) {
  const Tensor bad = Tensor::of<int32_t>({2}, {3, 1}).to(Device::cuda());
  Tensor logits = kLogits.to(Device::cuda());
  logits.set_requires_gradient();
  const Loss loss = cross_entropy(logits, bad, {.label_smoothing = 0.5});
  loss.sum.backward();
  const auto gradient = logits.gradient().to_vector<float>();
  EXPECT_EQ(gradient[0], 0.0f);  // of the row with the invalid target
  EXPECT_NE(gradient[3], 0.0f);
  EXPECT_THROW(loss.mean(), DataError);
}

TEST(PointwiseLosses, RejectPairsThatDoNotMatch) {
  const Tensor x = Tensor::zeros({2, 3}), y = Tensor::zeros({3});
  expect_error([&] { l1_loss(x, y); }, "l1_loss: prediction is (2, 3), target is (3)");
  expect_error(
      [&] {
        huber_loss(x, Tensor::zeros({2, 3}, DType::int32));
      },
      "huber_loss: target is int32");
  expect_error([&] { mse_loss(x, x, {.weights = Tensor::zeros({2})}); }, "broadcast");
  expect_error(
      [&] {
        mse_loss(x, x, {.weights = Tensor::zeros({4, 2, 3})});
      },
      "weights is (4, 2, 3), prediction is (2, 3)");
  expect_error(
      [&] { binary_cross_entropy_with_logits(x, x, {.positive_weights = Tensor::zeros({2})}); },
      "positive_weights is (2), logits is (2, 3); it must have one element, or be (3)");
}

TEST(PointwiseLosses, RejectWidthsOutsideTheirDomain) {
  const Tensor x = Tensor::zeros({2});
  for (const double width : {0.0, -1.0, std::nan("")})
    expect_error([&] { huber_loss(x, x, width); }, "huber_loss: width is ");
  expect_error([&] { smooth_l1_loss(x, x, -1.0); }, "smooth_l1_loss: width is -1");
}

TEST(PointwiseLosses, KeepNanOfTheirInput) {
  Tensor x = Tensor::of<float>({2}, {std::nanf(""), 1.0f});
  x.set_requires_gradient();
  const Loss loss = huber_loss(x, Tensor::zeros({2}));
  loss.sum.backward();
  EXPECT_TRUE(std::isnan(loss.sum.item()));
  EXPECT_TRUE(std::isnan(x.gradient().to_vector<float>()[0]));
  EXPECT_EQ(x.gradient().to_vector<float>()[1], 1.0f);
}

TEST(PointwiseLosses, ComputePairsOfTwoTypesInFloat32) {
  const Tensor x = Tensor::of<float>({3}, {0.1f, -0.7f, 2.3f});
  const Tensor narrow = x.to(DType::bfloat16);
  EXPECT_EQ(l1_loss(narrow, x).sum.item(), l1_loss(narrow.to(DType::float32), x).sum.item());
}

TEST(EmbeddingLosses, RejectRowsThatDoNotMatch) {
  const Tensor x = Tensor::zeros({2, 3}), y = Tensor::zeros({2, 4});
  expect_error([&] { cosine_similarity(x, y); },
               "cosine_similarity: a is (2, 3), b is (2, 4); the shapes must match");
  expect_error([&] { cosine_similarity(x, x, 0.0); }, "smallest is 0");
  expect_error([&] { triplet_margin_loss(x, x, y); }, "negative is (2, 4)");
  expect_error([&] { triplet_margin_loss(x, x, x, {.margin = 0.0}); }, "margin is 0");
  expect_error([&] { cosine_embedding_loss(x, x, Tensor::zeros({3})); }, "labels is (3)");
  expect_error([&] { info_nce(x, x, {.temperature = 0.0}); }, "info_nce: temperature is 0");
  expect_error([&] { info_nce(Tensor::zeros({2}), Tensor::zeros({2})); },
               "it must be (rows, channels)");
}

TEST(CosineSimilarity, OfAZeroRowIsZeroAndHasAGradient) {
  Tensor x = Tensor::zeros({1, 2});
  x.set_requires_gradient();
  const Tensor y = Tensor::of<float>({1, 2}, {3, 4});
  const Tensor cosine = cosine_similarity(x, y, 0.5);
  EXPECT_EQ(cosine.to_vector<float>()[0], 0.0f);
  cosine.backward(Tensor::full({1}, 1.0));
  EXPECT_FLOAT_EQ(x.gradient().to_vector<float>()[1], 4.0f / (0.5f * 5.0f));
}

}  // namespace
}  // namespace ripieno
