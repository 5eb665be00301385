#include "ripieno/training/watch/watchdog.h"

#include <gtest/gtest.h>

#include <future>

namespace ripieno::watch {
namespace {

TEST(LimitOf, AStepIsTheLimitOrThreeMedianSteps) {
  EXPECT_EQ(limit_of(Activity::step, 300, 1), 300);
  EXPECT_EQ(limit_of(Activity::step, 300, 200), 600);
}

TEST(LimitOf, WhatMayBeLongIsThreeTimesTheLimit) {
  for (const auto activity : {Activity::start, Activity::validation, Activity::save, Activity::end})
    EXPECT_EQ(limit_of(activity, 300, 1), 900) << name_of(activity);
}

TEST(LimitOf, LoadingDoesNotExist) { EXPECT_EQ(limit_of(Activity::load, 300, 1), 0); }

TEST(LimitOf, ADisabledWatchdogDoesNotExist) {
  for (const auto activity : {Activity::step, Activity::save})
    EXPECT_EQ(limit_of(activity, 0, 1), 0) << name_of(activity);
}

TEST(WarningOf, IsFiveMedianStepsButAtLeastHalfAMinute) {
  EXPECT_EQ(warning_of(300, 1), 30);
  EXPECT_EQ(warning_of(300, 10), 50);
}

TEST(WarningOf, IsHalfTheLimitWhereThatIsEarlier) {
  EXPECT_EQ(warning_of(20, 1), 10);
  EXPECT_EQ(warning_of(300, 100), 150);
}

TEST(MedianStep, IsThatOfTheLast64Steps) {
  MedianStep median;
  EXPECT_EQ(median.value(), 0);
  for (int i = 0; i < 64; ++i) median.add(1);
  EXPECT_EQ(median.value(), 1);
  median.add(100);
  for (int i = 0; i < 63; ++i) median.add(2);
  EXPECT_EQ(median.value(), 2);
}

TEST(MedianStep, OfTheFirstStepIsKnown) {
  MedianStep median;
  median.add(5);
  EXPECT_EQ(median.value(), 5);
}

class WatchdogTest : public testing::Test {
 protected:
  static constexpr auto kSoon = std::chrono::seconds(60);
  Watchdog::Actions actions() {
    return {.warn = [this](double) { ++warnings_; },
            .stall =
                [this](double seconds) {
                  if (stalls_++ == 0) stalled_.set_value(seconds);
                }};
  }
  std::atomic<int> warnings_ = 0, stalls_ = 0;
  std::promise<double> stalled_;
};

TEST_F(WatchdogTest, WarnsThenReportsThatNothingProceedsOnce) {
  Watchdog watchdog(0.2, actions());
  watchdog.enter(Activity::step, 0.001);
  auto stalled = stalled_.get_future();
  ASSERT_EQ(stalled.wait_for(kSoon), std::future_status::ready);
  EXPECT_GT(stalled.get(), 0.2);
  EXPECT_EQ(warnings_, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(stalls_, 1);
}

TEST_F(WatchdogTest, ReportsEachTime) {
  Watchdog watchdog(0.05, actions());
  for (int i = 0; i < 2; ++i) {
    watchdog.enter(Activity::step, 0);
    while (stalls_ == i) std::this_thread::yield();
  }
  EXPECT_EQ(stalls_, 2);
}

TEST_F(WatchdogTest, IsQuietWhileSomethingProceeds) {
  Watchdog watchdog(5, actions());
  watchdog.enter(Activity::step, 0.001);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    watchdog.proceed();
  }
  EXPECT_EQ(stalls_, 0);
}

TEST_F(WatchdogTest, IsQuietIfItIsDisabled) {
  Watchdog watchdog(0, actions());
  watchdog.enter(Activity::step, 0.001);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(stalls_ + warnings_, 0);
}

}  // namespace
}  // namespace ripieno::watch
