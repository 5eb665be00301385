#include "ripieno/training/run/step_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ripieno {
namespace {

using testing::ElementsAre;
using testing::Key;

TEST(StepClock, NamesThePhasesLikeTheMetrics) {
  StepClock clock;
  EXPECT_THAT(
      clock.take(/*knows_phases=*/true),
      ElementsAre(Key("data"), Key("forward"), Key("backward"), Key("communication_exposed"),
                  Key("optimizer"), Key("checkpoint"), Key("total")));
}

TEST(StepClock, LeavesOutUnknownPhases) {
  StepClock clock;
  EXPECT_THAT(clock.take(/*knows_phases=*/false),
              ElementsAre(Key("data"), Key("checkpoint"), Key("total")));
}

TEST(StepClock, MovesAtMostWhatAPhaseHas) {
  StepClock clock;
  clock.charge(StepClock::forward);
  clock.move(StepClock::forward, StepClock::backward, 1e9);
  const auto seconds = clock.take(/*knows_phases=*/true);
  EXPECT_EQ(seconds[StepClock::forward].second, 0);
  EXPECT_EQ(seconds[StepClock::backward].second, seconds.back().second);
}

TEST(StepClock, ReturnsTheMeanOfTheSteps) {
  StepClock clock;
  clock.charge(StepClock::forward);
  const double once = clock.seconds_without_checkpoint();
  clock.step();
  clock.step();
  EXPECT_EQ(clock.seconds_without_checkpoint(), once / 2);
}

}  // namespace
}  // namespace ripieno
