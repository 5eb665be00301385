#include "ripieno/training/watch/steady_finding.h"

#include <gtest/gtest.h>

#include <vector>

namespace ripieno::watch {
namespace {

constexpr int kNothing = -1;

// How many of so many looks are reported if they find these values in turn.
int reports_of(SteadyFinding& finding, int looks, const std::vector<int>& values) {
  int reports = 0;
  for (int i = 0; i < looks; ++i)
    reports += finding.look(values[static_cast<std::size_t>(i) % values.size()]);
  return reports;
}

TEST(SteadyFinding, IsReportedOnceTwoLooksInARowAgree) {
  SteadyFinding finding(kNothing);
  EXPECT_FALSE(finding.look(1));
  EXPECT_FALSE(finding.look(2));
  EXPECT_TRUE(finding.look(2));
  EXPECT_EQ(finding.reported(), 2);
  EXPECT_EQ(reports_of(finding, 1000, {2}), 0);
}

TEST(SteadyFinding, IsNotReportedIfTwoAlternate) {
  SteadyFinding finding(kNothing);
  EXPECT_EQ(reports_of(finding, 1000, {0, 1}), 0);
}

// As the slowest of two ranks that share a core does.
TEST(SteadyFinding, ThatFlapsIsReportedAFewTimes) {
  SteadyFinding finding(kNothing);
  EXPECT_LE(reports_of(finding, 10'000, {0, 0, kNothing, kNothing}), 1);
  SteadyFinding slower(kNothing);
  EXPECT_LE(reports_of(slower, 10'000, {0, 0, 0, 0, 1, 1, 1, 1}), 2);
}

TEST(SteadyFinding, ThatEndsIsReported) {
  SteadyFinding finding(kNothing);
  EXPECT_EQ(reports_of(finding, 2, {1}), 1);
  EXPECT_EQ(reports_of(finding, 3, {kNothing}), 0);
  EXPECT_TRUE(finding.look(kNothing));
  EXPECT_EQ(finding.reported(), kNothing);
}

TEST(SteadyFinding, RequiresAtMost64Looks) {
  SteadyFinding finding(kNothing);
  for (int value = 0; value < 20; ++value) EXPECT_EQ(reports_of(finding, 64, {value}), 1);
}

}  // namespace
}  // namespace ripieno::watch
