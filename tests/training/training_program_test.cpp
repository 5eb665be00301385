#include "ripieno/training/training_program.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace ripieno {
namespace {

TEST(TrainingProgram, DefaultsToTheLargestDivisorOfTheBatchUpTo8) {
  TrainingProgram program;
  program.options.strict = true;
  for (const auto& [batch_size, slots] : std::vector<std::pair<int64_t, int>>{
           {12, 6}, {8, 8}, {64, 8}, {9, 3}, {11, 1}, {5, 5}, {1, 1}, {14, 7}}) {
    program.options.batch_size = batch_size;
    EXPECT_EQ(program.slots(), slots) << batch_size;
  }
}

TEST(TrainingProgram, UsesTheSlotsOfTheConfiguration) {
  TrainingProgram program;
  program.options.strict = true;
  program.options.slots = 4;
  program.options.batch_size = 12;
  EXPECT_EQ(program.slots(), 4);
}

TEST(TrainingProgram, HasNoSlotsOutsideStrictMode) {
  TrainingProgram program;
  program.options.slots = 4;
  EXPECT_EQ(program.slots(), 0);
}

TEST(TrainingProgram, HasTheOptimizersLearningRateAsThePeakOfItsSchedule) {
  TrainingProgram program;
  program.options.optimizer.learning_rate = 0.25;
  EXPECT_EQ(program.make_schedule().peak, 0.25);
}

}  // namespace
}  // namespace ripieno
