// Runs with each optimizer, and with an average of the parameters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

class OptimizerRun : public testing::TestWithParam<std::string> {
 protected:
  TinyRun tiny(const std::string& name) const {
    TinyRun run{.directory = directory / name};
    run.optimizer_kind = GetParam();
    run.average_decay = 0.9;
    return run;
  }
  TemporaryDirectory directory;
};

TEST_P(OptimizerRun, ResumesBitwiseAlsoOnOtherRanksWithShardedState) {
  const TinyRun whole = tiny("whole");
  EXPECT_EQ(whole.train_on(2), 0);
  TinyRun parts = tiny("parts");
  parts.parallel_options.shard = distributed::Shard::optimizer;
  parts.options.steps = 6;
  parts.train_on(2);
  parts.options.steps = 12;
  parts.train_on(2);
  const auto losses = whole.losses(), resumed = parts.losses();
  for (const auto& [step, loss] : losses) EXPECT_EQ(resumed.at(step), loss) << "step " << step;
  EXPECT_EQ(parts.validation_losses().at(12), whole.validation_losses().at(12));
}

INSTANTIATE_TEST_SUITE_P(ByName, OptimizerRun, testing::ValuesIn(optim::optimizer_names()),
                         [](const auto& named) { return named.param; });

TEST(AverageRun, ValidatesTheAverageUnlessToldOtherwise) {
  const TemporaryDirectory directory;
  TinyRun plain{.directory = directory / "plain"}, averaged{.directory = directory / "averaged"},
      kept{.directory = directory / "kept"};
  averaged.average_decay = kept.average_decay = 0.99;
  kept.options.validates_average = false;
  for (TinyRun* run : {&plain, &averaged, &kept}) run->train_on(1);
  EXPECT_EQ(averaged.losses(), plain.losses());
  EXPECT_EQ(kept.validation_losses(), plain.validation_losses());
  EXPECT_NE(averaged.validation_losses(), plain.validation_losses());
}

}  // namespace
}  // namespace ripieno
