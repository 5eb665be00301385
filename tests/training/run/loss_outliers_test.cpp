#include "ripieno/training/run/loss_outliers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ripieno {
namespace {

// Around `loss`, with deviations of a tenth of it.
void add_usual(LossOutliers& outliers, int count, double loss = 2) {
  for (int i = 0; i < count; ++i) EXPECT_FALSE(outliers.add(loss * (1 + 0.1 * (i % 3 - 1)))) << i;
}

TEST(LossOutliers, FindALossFarAboveTheMedian) {
  LossOutliers outliers(10);
  add_usual(outliers, 40);
  const auto usual = outliers.add(5.1);
  ASSERT_TRUE(usual);
  EXPECT_NEAR(usual->median, 2, 1e-9);
  EXPECT_NEAR(usual->spread, 1.4826 * 0.2, 1e-9);
}

TEST(LossOutliers, AllowALossWithinTheFactorAndAnyBelow) {
  LossOutliers outliers(10);
  add_usual(outliers, 40);
  EXPECT_FALSE(outliers.add(4.9));
  EXPECT_FALSE(outliers.add(0));
}

TEST(LossOutliers, ExistOnlyAfter32Losses) {
  LossOutliers outliers(10);
  add_usual(outliers, 31);
  EXPECT_FALSE(outliers.add(1000));
  EXPECT_TRUE(outliers.add(1000));
}

TEST(LossOutliers, DoNotChangeWhatIsUsual) {
  LossOutliers outliers(10);
  add_usual(outliers, 40);
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(outliers.add(1000));
}

TEST(LossOutliers, AreNotTheNoiseOfALossThatHardlyVaries) {
  LossOutliers outliers(10);
  for (int i = 0; i < 40; ++i) outliers.add(2);
  EXPECT_FALSE(outliers.add(2.3));
  EXPECT_TRUE(outliers.add(2.5));
}

TEST(LossOutliers, FollowTheLastLosses) {
  LossOutliers outliers(10);
  add_usual(outliers, 200, 20);
  add_usual(outliers, 200, 2);
  EXPECT_TRUE(outliers.add(20));
}

TEST(LossOutliers, AreDisabledByDefaultAndIgnoreWhatIsNotFinite) {
  LossOutliers disabled(0), outliers(10);
  add_usual(disabled, 40);
  EXPECT_FALSE(disabled.add(1e9));
  add_usual(outliers, 40);
  EXPECT_FALSE(outliers.add(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_FALSE(outliers.add(std::numeric_limits<double>::infinity()));
}

}  // namespace
}  // namespace ripieno
