#include "ripieno/core/optim/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "ripieno/core/error.h"

namespace ripieno::optim {
namespace {

using Kind = Schedule::Kind;
using testing::HasSubstr;
using testing::ThrowsMessage;

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

void expect_rejected(const Schedule& schedule, const char* message) {
  EXPECT_THAT([&] { schedule.at(5); }, ThrowsMessage<ConfigurationError>(HasSubstr(message)));
}

TEST(Schedule, ThatEndsRequiresSteps) {
  for (const auto kind : {Kind::linear, Kind::cosine, Kind::warmup_stable_decay})
    expect_rejected({.kind = kind, .peak = 1.0}, "steps is 0");
  EXPECT_EQ((Schedule{.peak = 1.0, .warmup_steps = 2}).at(5), 1.0);
}

TEST(Schedule, MayEndDuringItsWarmup) {
  const Schedule schedule{.kind = Kind::cosine, .peak = 1.0, .warmup_steps = 8, .steps = 4};
  EXPECT_EQ(schedule.at(4), 0.5);
}

TEST(Schedule, RejectsNegativeAndInfiniteNumbers) {
  expect_rejected({.peak = -1.0}, "peak is -1");
  expect_rejected({.peak = std::numeric_limits<double>::quiet_NaN()}, "peak is nan");
  expect_rejected({.peak = 1.0, .final = -0.1}, "final is -0.1");
  expect_rejected({.peak = 1.0, .warmup_steps = -1}, "warmup_steps is -1; it must be at least 0");
}

TEST(Schedule, HasNoLearningRateWithoutAPeak) {
  expect_rejected({.warmup_steps = 2}, "peak is not set");
}

TEST(Schedule, RejectsKindsWithoutTheirNumbers) {
  expect_rejected({.kind = Kind::step, .peak = 1.0}, "interval is 0");
  expect_rejected({.kind = Kind::multi_step, .peak = 1.0}, "milestones is empty");
  expect_rejected({.kind = Kind::multi_step, .peak = 1.0, .milestones = {5, 5}},
                  "milestone 5 follows 5");
  expect_rejected({.kind = Kind::polynomial, .peak = 1.0}, "steps is 0");
  expect_rejected({.kind = Kind::one_cycle, .peak = 1.0}, "steps is 0");
  expect_rejected({.kind = Kind::exponential, .peak = 1.0, .factor = 0.0}, "factor is 0");
  expect_rejected({.kind = Kind::polynomial, .peak = 1.0, .steps = 9, .power = 0.0}, "power is 0");
  expect_rejected({.kind = Kind::chain, .peak = 1.0}, "parts is empty");
  expect_rejected({.kind = Kind::chain, .peak = 1.0, .parts = {{}, {}}}, "steps of part 0 is 0");
  expect_rejected({.kind = Kind::chain, .peak = 1.0, .parts = {{.kind = Kind::reduce_on_plateau}}},
                  "cannot be part of a chain");
}

TEST(Plateau, ContinuesFromItsState) {
  const PlateauOptions options = {.factor = 0.5, .patience = 1, .cooldown = 1};
  Plateau whole(options), first(options), second(options);
  const std::vector<double> losses = {3, 2, 2, 2, 2, 1, 1, 1, 1, 1};
  for (std::size_t i = 0; i < losses.size(); ++i) {
    whole.note(losses[i]);
    if (i == 4) second.set_state(first.state());
    (i < 4 ? first : second).note(losses[i]);
  }
  EXPECT_EQ(second.scale(), whole.scale());
  EXPECT_LT(whole.scale(), 1.0);
}

TEST(Plateau, TakesNanForNoImprovement) {
  Plateau plateau({.patience = 0});
  plateau.note(1.0);
  plateau.note(std::numeric_limits<double>::quiet_NaN());
  EXPECT_DOUBLE_EQ(plateau.scale(), 0.1);
}

TEST(Plateau, TakesNoLossThatIsNotFiniteForTheBest) {
  for (const double first :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Plateau plateau({.patience = 1});
    Patience patience{.losses = 2};
    for (const double loss : {first, 3.0, 2.0, 1.0}) {
      plateau.note(loss);
      patience.note(loss);
    }
    EXPECT_EQ(plateau.scale(), 1.0);
    EXPECT_FALSE(patience.is_exhausted());
  }
}

TEST(Plateau, RejectsOptionsOutsideTheirDomain) {
  for (const PlateauOptions& options :
       {PlateauOptions{.factor = 1.0}, PlateauOptions{.factor = 0.0},
        PlateauOptions{.patience = -1}, PlateauOptions{.threshold = -1.0},
        PlateauOptions{.cooldown = -1}}) {
    EXPECT_THROW(Plateau{options}, ConfigurationError);
  }
}

TEST(Patience, IsExhaustedByLossesInARowThatDoNotImprove) {
  Patience patience{.losses = 2, .threshold = 0.1};
  for (const double loss : {1.0, 0.95, 0.85, 0.84}) patience.note(loss);
  EXPECT_FALSE(patience.is_exhausted());
  patience.note(0.8);
  EXPECT_TRUE(patience.is_exhausted());
  EXPECT_FALSE(Patience{}.is_exhausted());
}

}  // namespace
}  // namespace ripieno::optim
