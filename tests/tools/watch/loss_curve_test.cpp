#include "ripieno/tools/watch/loss_curve.h"

#include <gmock/gmock.h>

#include <cmath>

namespace ripieno::tools::watch {
namespace {

TEST(LossCurve, KeepsFewMeansOfManySteps) {
  LossCurve curve;
  for (int64_t step = 1; step <= 100'000; ++step) curve.add(step, static_cast<double>(step));
  const auto points = curve.points();
  EXPECT_LE(points.size(), LossCurve::kMostBins);
  EXPECT_GT(points.size(), LossCurve::kMostBins / 2);
  EXPECT_EQ(points.back().x, 100'000);
  EXPECT_NEAR(points.front().y, points.front().x / 2, 1);
}

TEST(LossCurve, EndsAtTheStepToWhichTheRunWentBack) {
  LossCurve curve;
  for (int64_t step = 1; step <= 10; ++step) curve.add(step, 1);
  curve.cut(4);
  curve.add(5, 2);
  ASSERT_EQ(curve.points().size(), 5u);
  EXPECT_EQ(curve.points().back().y, 2);
}

TEST(LossCurve, LeavesOutWhatIsNotFinite) {
  LossCurve curve;
  curve.add(1, std::nan(""));
  curve.add(2, INFINITY);
  EXPECT_TRUE(curve.empty());
}

// Steps that are far apart need wider bins several times at once.
TEST(LossCurve, TakesAnySteps) {
  LossCurve curve;
  for (int64_t step = 0; step < 3000; ++step) curve.add(step * 1'000'000'007, 1);
  curve.add(INT64_MAX, 1);
  EXPECT_LE(curve.points().size(), LossCurve::kMostBins);
  EXPECT_EQ(curve.points().back().x, static_cast<double>(INT64_MAX));
}

}  // namespace
}  // namespace ripieno::tools::watch
