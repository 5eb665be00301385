#include "ripieno/training/run/save_schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ripieno {
namespace {

constexpr double kShortest = SaveSchedule::kShortestSeconds;

TEST(SaveScheduleBySteps, IsDueAtMultiples) {
  SaveSchedule schedule({.every = 10}, 13, 0.0);
  EXPECT_FALSE(schedule.is_due(19, 1e9));
  EXPECT_TRUE(schedule.is_due(20, 0.0));
  schedule.begin(20, 0.0);
  EXPECT_FALSE(schedule.is_due(29, 0.0));
  EXPECT_TRUE(schedule.is_due(30, 0.0));
}

TEST(SaveScheduleBySteps, ReturnsToMultiplesAfterASaveBetweenThem) {
  SaveSchedule schedule({.every = 10}, 0, 0.0);
  schedule.begin(14, 0.0);
  EXPECT_FALSE(schedule.is_due(19, 0.0));
  EXPECT_TRUE(schedule.is_due(20, 0.0));
}

TEST(SaveScheduleBySteps, RetriesSoonAfterAFailure) {
  SaveSchedule schedule({.every = 100}, 0, 0.0);
  schedule.begin(100, 0.0);
  schedule.retry_soon(103, 0.0);
  EXPECT_FALSE(schedule.is_due(112, 0.0));
  EXPECT_TRUE(schedule.is_due(113, 0.0));
}

TEST(SavesBetween, AreAtMultiplesAndAtTheLastStep) {
  EXPECT_EQ(saves_between(0, 10, 3, 0), 4);  // 3, 6, 9, 10
  EXPECT_EQ(saves_between(4, 10, 3, 0), 3);
  EXPECT_EQ(saves_between(9, 10, 3, 0), 1);
  EXPECT_EQ(saves_between(0, 10, 10, 0), 1);
  EXPECT_EQ(saves_between(10, 10, 3, 0), 0);
}

TEST(SavesBetween, CountEachStepOnce) {
  EXPECT_EQ(saves_between(0, 10, 5, 5), 2);  // 5, 10
  EXPECT_EQ(saves_between(4, 10, 3, 2), 4);  // 6, 8, 9, 10
  EXPECT_EQ(saves_between(0, 10, int64_t{1} << 62, (int64_t{1} << 62) - 1), 1);
}

TEST(SavesBetween, ByTimeCountAsOneAndTheLast) {
  EXPECT_EQ(saves_between(0, 10, {}, 0), 2);
  EXPECT_EQ(saves_between(9, 10, {}, 0), 1);
  EXPECT_EQ(saves_between(0, 10, {}, 5), 3);
}

// A save during which training waits 2 s and ten steps take 1.5 s each instead of 1 s.
SaveSchedule schedule_that_saved(double failures_per_day) {
  SaveSchedule schedule({.every = {}, .failures_per_day = failures_per_day}, 0, 0.0);
  schedule.begin(100, 100.0);
  schedule.note_wait(2.0);
  for (int i = 0; i < 10; ++i) schedule.note_step(1.5, /*while_saving=*/true);
  for (int i = 0; i < 50; ++i) schedule.note_step(1.0, /*while_saving=*/false);
  schedule.begin(160, 200.0);
  return schedule;
}

TEST(SaveScheduleByTime, MeasuresTheCostOfASave) {
  EXPECT_NEAR(*schedule_that_saved(0).cost_seconds(), 7.0, 1e-9);
}

TEST(SaveScheduleByTime, SpendsThreePercentOfTheTimeSaving) {
  const SaveSchedule schedule = schedule_that_saved(0);
  EXPECT_NEAR(schedule.interval_seconds(), 7.0 / 0.03, 1e-9);
  EXPECT_FALSE(schedule.is_due(1'000'000, 200.0 + 7.0 / 0.03 - 0.1));
  EXPECT_TRUE(schedule.is_due(161, 200.0 + 7.0 / 0.03 + 0.1));
}

TEST(SaveScheduleByTime, UsesDalysIntervalForARateOfFailures) {
  EXPECT_NEAR(schedule_that_saved(4).interval_seconds(), daly_interval_seconds(7.0, 4), 1e-9);
}

TEST(SaveScheduleByTime, IsFirstDueAfterTenSeconds) {
  const SaveSchedule schedule({.every = {}, .failures_per_day = 0.01}, 0, 100.0);
  EXPECT_FALSE(schedule.is_due(1'000'000, 109.9));
  EXPECT_TRUE(schedule.is_due(1, 110.0));
}

TEST(SaveScheduleByTime, IsNeverDueTwiceWithinAMinute) {
  SaveSchedule schedule({.every = {}}, 0, 0.0);
  schedule.begin(1, 10.0);
  schedule.note_wait(1e-6);
  EXPECT_FALSE(schedule.is_due(1'000'000, 10 + kShortest - 1));
  EXPECT_TRUE(schedule.is_due(2, 10 + kShortest));
  schedule.begin(2, 10 + kShortest);
  EXPECT_EQ(schedule.interval_seconds(), kShortest);
}

TEST(SaveScheduleByTime, PutsTheSecondSaveOffAsFarAsTheFirstWasExpensive) {
  SaveSchedule schedule({.every = {}}, 0, 0.0);
  schedule.begin(10, 10.0);
  schedule.note_wait(6.0);
  EXPECT_FALSE(schedule.is_due(1'000'000, 10 + 6.0 / 0.03 - 0.1));
  EXPECT_TRUE(schedule.is_due(11, 10 + 6.0 / 0.03 + 0.1));
}

TEST(SaveScheduleByTime, ComparesStepsWithThoseBeforeASaveThatHasNotEnded) {
  SaveSchedule schedule({.every = {}}, 0, 0.0);
  for (int i = 0; i < 10; ++i) schedule.note_step(1.0, /*while_saving=*/false);
  schedule.begin(10, 10.0);
  for (int i = 0; i < 30; ++i) schedule.note_step(1.2, /*while_saving=*/true);
  schedule.begin(40, 46.0);
  EXPECT_NEAR(*schedule.cost_seconds(), 6.0, 1e-9);
}

TEST(SaveScheduleByTime, KnowsNoCostBeforeTheFirstSave) {
  SaveSchedule schedule({.every = {}}, 0, 0.0);
  schedule.note_wait(1e-6);
  schedule.begin(10, 10.0);
  EXPECT_FALSE(schedule.cost_seconds());
}

TEST(SaveScheduleByTime, RetriesAMinuteAfterAFailure) {
  SaveSchedule schedule = schedule_that_saved(0);
  schedule.retry_soon(161, 201.0);
  EXPECT_FALSE(schedule.is_due(162, 201.0 + kShortest - 1));
  EXPECT_TRUE(schedule.is_due(162, 201.0 + kShortest));
}

// The fraction of time lost to saving and to failures, which can happen at any time of an interval
// (equation 20 of the paper, without restarts).
double lost_share(double interval, double cost, double between_failures) {
  return between_failures * std::expm1((interval + cost) / between_failures) / interval - 1;
}

TEST(DalysInterval, LosesLessThanShorterAndLongerIntervals) {
  for (const double failures_per_day : {0.2, 4.0, 50.0}) {
    for (const double cost : {0.5, 7.0, 60.0}) {
      const double best = daly_interval_seconds(cost, failures_per_day);
      const double between = 86400 / failures_per_day;
      const double lost = lost_share(best, cost, between);
      EXPECT_LT(lost, lost_share(1.1 * best, cost, between)) << failures_per_day << " " << cost;
      EXPECT_LT(lost, lost_share(0.9 * best, cost, between)) << failures_per_day << " " << cost;
    }
  }
}

TEST(DalysInterval, IsTheTimeBetweenFailuresIfASaveTakesLonger) {
  EXPECT_DOUBLE_EQ(daly_interval_seconds(1000, 864), 100);
}

}  // namespace
}  // namespace ripieno
