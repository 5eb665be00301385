#include "ripieno/core/losses/mse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/gradient_check.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/random.h"

namespace ripieno {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Tensor random(const Shape& shape, uint64_t seed) {
  Tensor x(shape, DType::float64);
  fill_uniform(x, -1.0, 1.0, {.seed = seed});
  return x;
}

TEST(Mse, IsASumOfSquaresAndTheNumberOfElements) {
  const Loss loss =
      mse(Tensor::of<float>({2, 2}, {1, 2, 3, 4}), Tensor::of<float>({2, 2}, {1, 0, 0, 5}));
  EXPECT_EQ(loss.sum.item(), 14.0);
  EXPECT_EQ(loss.count.item(), 4.0);
  EXPECT_EQ(loss.mean(), 3.5);
}

TEST(Mse, HasTheGradientsOfItsFormula) {
  const auto function = [](const std::vector<Tensor>& in) { return mse(in[0], in[1]).sum; };
  EXPECT_LT(gradient_check(function, {random({3, 5}, 1), random({3, 5}, 2)}), 1e-7);
}

TEST(Mse, ReadsViewsThatAreNotDense) {
  const Tensor x = random({3, 4}, 1), y = random({4, 3}, 2);
  EXPECT_EQ(mse(x.transpose(0, 1), y).sum.item(), mse(x.transpose(0, 1).dense(), y).sum.item());
}

// bfloat16 cannot represent 2049.
TEST(Mse, AddsUpSixteenBitPredictionsInFloat32) {
  Tensor prediction = Tensor::full({2049}, 1.0, DType::bfloat16);
  prediction.set_requires_gradient();
  const Loss loss = mse(prediction, Tensor::zeros({2049}));
  EXPECT_EQ(loss.sum.dtype(), DType::float32);
  EXPECT_EQ(loss.sum.item(), 2049.0);
  EXPECT_EQ(loss.mean(), 1.0);
  loss.sum.backward();
  EXPECT_EQ(prediction.gradient().dtype(), DType::bfloat16);
  EXPECT_EQ(prediction.gradient().to_vector<float>()[0], 2.0f);
}

TEST(Mse, OfNothingIsZeroOverZero) {
  const Loss loss = mse(Tensor({0, 3}), Tensor({0, 3}));
  EXPECT_EQ(loss.sum.item(), 0.0);
  EXPECT_EQ(loss.count.item(), 0.0);
}

TEST(Mse, DoesNotBroadcast) {
  EXPECT_THAT(
      [] {
        mse(Tensor::zeros({8, 1}), Tensor::zeros({8}));
      },
      ThrowsMessage<Error>(HasSubstr("mse: prediction is (8, 1), target is (8)")));
}

TEST(Mse, RejectsIntegersAndUndefinedTensors) {
  const Tensor x = Tensor::zeros({2});
  EXPECT_THAT([&] { mse(x, Tensor::zeros({2}, DType::int32)); },
              ThrowsMessage<Error>(HasSubstr("mse: target is int32")));
  EXPECT_THAT([&] { mse(x, {}); }, ThrowsMessage<Error>(HasSubstr("mse: target is undefined")));
}

TEST(Loss, OverRowsKeepsTheGraphOfItsSum) {
  Tensor x = Tensor::of<float>({3}, {1, 2, 3});
  x.set_requires_gradient();
  const Loss loss = Loss::over(sum(square(x)).reshape({1, 1}), 4);
  EXPECT_EQ(loss.sum.shape(), Shape{});
  EXPECT_EQ(loss.mean(), 3.5);
  loss.sum.backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(2, 4, 6));
}

TEST(Loss, OverRowsHasFloat32OrFloat64) {
  for (const auto& [of, expected] :
       {std::pair{DType::bfloat16, DType::float32}, std::pair{DType::float64, DType::float64}}) {
    const Loss loss = Loss::over(Tensor::full({}, 2.0, of), 1);
    EXPECT_EQ(loss.sum.dtype(), expected);
    EXPECT_EQ(loss.count.dtype(), expected);
  }
}

TEST(Loss, OverRowsRejectsWhatIsNoSum) {
  const auto message = [](const std::string& text) {
    return ThrowsMessage<Error>(HasSubstr(text));
  };
  EXPECT_THAT([] { Loss::over({}, 1); }, message("Loss::over: sum is undefined"));
  EXPECT_THAT([] { Loss::over(Tensor::zeros({4}), 1); }, message("Loss::over: sum is (4) float32"));
  EXPECT_THAT([] { Loss::over(Tensor::zeros({}, DType::int64), 1); }, message("int64"));
  EXPECT_THAT([] { Loss::over(Tensor::zeros({}), -1); }, message("Loss::over: rows is -1"));
}

}  // namespace
}  // namespace ripieno
