#include "ripieno/core/optim/schedule.h"

#include <gtest/gtest.h>

namespace ripieno::optim {
namespace {

using Kind = Schedule::Kind;

TEST(Schedule, WarmsUpLinearly) {
  const Schedule schedule{.peak = 2.0, .warmup_steps = 4};
  EXPECT_DOUBLE_EQ(schedule.at(1), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(4), 2.0);
  EXPECT_DOUBLE_EQ(schedule.at(1000), 2.0);
}

TEST(Schedule, LinearDecaysToFinalAndStays) {
  const Schedule schedule{
      .kind = Kind::linear, .peak = 1.0, .final = 0.2, .warmup_steps = 10, .steps = 50};
  EXPECT_DOUBLE_EQ(schedule.at(30), 0.6);
  EXPECT_DOUBLE_EQ(schedule.at(50), 0.2);
  EXPECT_DOUBLE_EQ(schedule.at(99), 0.2);
}

TEST(Schedule, CosineIsHalfwayInTheMiddle) {
  const Schedule schedule{
      .kind = Kind::cosine, .peak = 1e-3, .final = 1e-4, .warmup_steps = 100, .steps = 2000};
  EXPECT_DOUBLE_EQ(schedule.at(100), 1e-3);
  EXPECT_NEAR(schedule.at(1050), 5.5e-4, 1e-12);
  EXPECT_NEAR(schedule.at(2000), 1e-4, 1e-12);
}

TEST(Schedule, WarmupStableDecayIsConstantBeforeItDecays) {
  const Schedule schedule{.kind = Kind::warmup_stable_decay,
                          .peak = 1.0,
                          .final = 0.0,
                          .warmup_steps = 10,
                          .steps = 100,
                          .decay_steps = 20};
  EXPECT_DOUBLE_EQ(schedule.at(80), 1.0);
  EXPECT_DOUBLE_EQ(schedule.at(90), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(100), 0.0);
}

}  // namespace
}  // namespace ripieno::optim
