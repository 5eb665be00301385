#include "ripieno/training/training_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

using Kind = optim::Schedule::Kind;

optim::Schedule chain_of(const std::vector<std::string>& parts) {
  TrainingProgram program;
  program.options.schedule.kind = Kind::chain;
  program.options.schedule.warmup_steps = 3;
  program.options.schedule.final = 1e-4;
  program.options.chain = parts;
  return program.make_schedule();
}

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

TEST(TrainingProgram, ReadsThePartsOfAChainOfSchedules) {
  const auto parts = chain_of({"linear 10", "cosine 90 to 1e-5"}).parts;
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].kind, Kind::linear);
  EXPECT_EQ(parts[0].steps, 10);
  EXPECT_EQ(parts[0].warmup_steps, 3);  // only the first part warms up
  EXPECT_EQ(parts[0].final, 1e-4);
  EXPECT_EQ(parts[1].kind, Kind::cosine);
  EXPECT_EQ(parts[1].steps, 90);
  EXPECT_EQ(parts[1].warmup_steps, 0);
  EXPECT_EQ(parts[1].final, 1e-5);
}

TEST(TrainingProgram, RejectsPartsOfAChainThatAreNoSchedule) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"cosine", "not a whole number"},     {"cosine 0", "not a whole number"},
      {"cosine 4.5", "not a whole number"}, {"spiral 4", "its kind is unknown"},
      {"cosine 4 to", "learning rate"},     {"cosine 4 to -1", "learning rate"},
      {"cosine 4 or 1", "learning rate"},   {"cosine 4 to 1 now", "more words"}};
  for (const auto& [text, what] : cases) {
    try {
      chain_of({text});
      ADD_FAILURE() << text;
    } catch (const ConfigurationError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("\"" + text + "\": "));
      EXPECT_THAT(error.what(), testing::HasSubstr(what));
    }
  }
}

}  // namespace
}  // namespace ripieno
