#include "ripieno/core/autograd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"

namespace ripieno {
namespace {

using ::testing::ElementsAre;

Tensor leaf(const std::vector<float>& values) {
  Tensor x = Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
  x.set_requires_gradient();
  return x;
}

TEST(Autograd, AddsUpEveryWayToALeaf) {
  Tensor x = leaf({3, 5});
  const Tensor y = x * x;
  sum(y + y * x).backward();  // x^2 + x^3
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(2 * 3 + 3 * 9, 2 * 5 + 3 * 25));
}

TEST(Autograd, DoesNotChangeAGradientThatTwoBranchesShare) {
  Tensor x = leaf({1, 2}), y = leaf({3, 4});
  const Tensor s = x + y;             // its gradient goes to both
  sum(s * 2.0 + x * 3.0).backward();  // and x gets more
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(5, 5));
  EXPECT_THAT(y.gradient().to_vector<float>(), ElementsAre(2, 2));
}

TEST(Autograd, AccumulatesOverBackwardsUntilCleared) {
  Tensor x = leaf({1, 2});
  sum(x * 2.0).backward();
  sum(x * 3.0).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(5, 5));
  x.clear_gradient();
  EXPECT_FALSE(x.gradient().defined());
  sum(x * 4.0).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(4, 4));
}

TEST(Autograd, RecordsNothingUnderNoGrad) {
  Tensor x = leaf({1, 2});
  const NoGrad no_grad;
  EXPECT_FALSE((x * 2.0).requires_gradient());
}

TEST(Autograd, DetachCutsTheRecord) {
  Tensor x = leaf({1, 2});
  sum(x * x.detach()).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(1, 2));
}

TEST(Autograd, HookRunsOnceWithTheCompleteGradient) {
  Tensor x = leaf({1, 2});
  std::vector<std::vector<float>> seen;
  x.on_gradient([&] { seen.push_back(x.gradient().to_vector<float>()); });
  sum(x * x + x * 3.0 + x).backward();
  EXPECT_THAT(seen, ElementsAre(ElementsAre(6, 8)));
}

TEST(Autograd, HooksRunWhileTheBackwardGoesOn) {
  Tensor first = leaf({1}), last = leaf({2});
  std::vector<int> order;
  first.on_gradient([&] { order.push_back(1); });
  last.on_gradient([&] { order.push_back(2); });
  sum((first * 2.0) * last).backward();
  EXPECT_THAT(order, ElementsAre(2, 1));
}

TEST(Autograd, RefusesASecondBackwardThroughTheSameRecord) {
  Tensor x = leaf({1, 2});
  const Tensor y = sum(x * x);
  y.backward();
  EXPECT_THROW(y.backward(), Error);
}

TEST(Autograd, SeedsANonScalar) {
  Tensor x = leaf({1, 2});
  (x * x).backward(Tensor::of<float>({2}, {10, 100}));
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(20, 400));
  EXPECT_THROW((x * x).backward(), Error);
}

TEST(Autograd, FreesTheRecordAsItGoes) {
  const int64_t before = pool(Device::cpu()).statistics().bytes_in_use;
  {
    Tensor x = leaf({1, 2});
    Tensor y = x;
    for (int i = 0; i < 100; ++i) y = y * x;
    sum(y).backward();
  }
  EXPECT_EQ(pool(Device::cpu()).statistics().bytes_in_use, before);
}

TEST(Autograd, ThreadsRecordApart) {
  const auto train = [] {
    Tensor x = leaf({1, 2, 3});
    for (int i = 0; i < 200; ++i) {
      x.clear_gradient();
      sum(x * x * x).backward();
    }
    EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(3, 12, 27));
  };
  std::jthread a(train), b(train), c(train);
}

TEST(Autograd, ADeepRecordThatNobodyGoesBackThroughIsFreed) {
  Tensor x = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 2000; ++i) y = y + 1.0;
  EXPECT_EQ(y.item(), 2001.0);
}

}  // namespace
}  // namespace ripieno
