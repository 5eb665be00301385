// What a run does when its validation loss stops improving: it ends, or lowers the learning rate.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/files/json.h"
#include "ripieno/io/run/run_directory.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using optim::Schedule;

class PlateauRun : public testing::Test {
 protected:
  // Its parameters never change, so its validation loss stays what it was.
  TinyRun constant(const std::string& name, double rate = 0.0) const {
    TinyRun run{.directory = directory / name};
    run.options.steps = 20;
    run.options.evaluate_every = 2;
    run.options.schedule = Schedule{.peak = rate};
    return run;
  }
  TinyRun reducing(const std::string& name) const {
    TinyRun run = constant(name, 1e-30);
    run.options.schedule->kind = Schedule::Kind::reduce_on_plateau;
    run.options.schedule->factor = 0.5;
    run.options.plateau.patience = 1;
    return run;
  }
  TemporaryDirectory directory;
};

TEST_F(PlateauRun, EndsEarlyWithStatus0AndStaysFinished) {
  for (const int ranks : {1, 2}) {
    TinyRun run = constant("run" + std::to_string(ranks));
    run.options.early_stopping.patience = 2;
    EXPECT_EQ(run.train_on(ranks), 0);
    EXPECT_EQ(run.losses().size(), 6u);  // the validation of step 2 is the best
    const auto start = io::read_record({run.directory})["starts"].back();
    EXPECT_EQ(start["progress"]["stopped_early"], true);
    EXPECT_EQ(run.train_on(ranks), 0);
    EXPECT_EQ(run.losses().size(), 6u);
  }
}

TEST_F(PlateauRun, CountsThePatienceOfAnEarlierStart) {
  TinyRun run = constant("run");
  run.options.early_stopping.patience = 3;
  run.options.steps = 5;
  run.train_on(1);
  run.options.steps = 20;
  EXPECT_EQ(run.train_on(1), 0);
  EXPECT_EQ(run.losses().size(), 6u);  // after the validations of steps 4, 5 (the end) and 6
}

TEST_F(PlateauRun, GoesOnAfterItsEndWithMorePatience) {
  TinyRun run = constant("run");
  run.options.early_stopping.patience = 2;
  EXPECT_EQ(run.train_on(1), 0);
  run.options.early_stopping.patience = 4;
  EXPECT_EQ(run.train_on(1), 0);
  EXPECT_EQ(run.losses().size(), 10u);
  run.options.early_stopping.patience = 0;
  EXPECT_EQ(run.train_on(1), 0);
  EXPECT_EQ(run.losses().size(), 20u);
}

TEST_F(PlateauRun, GoesOnWhileTheLossImproves) {
  TinyRun run{.directory = directory / "run"};
  run.options.early_stopping.patience = 1;
  EXPECT_EQ(run.train_on(1), 0);
  EXPECT_EQ(run.losses().size(), 12u);
  const auto start = io::read_record({run.directory})["starts"].back();
  EXPECT_EQ(start["progress"]["stopped_early"], false);
}

TEST_F(PlateauRun, HalvesTheLearningRateAfterItsPatience) {
  TinyRun run = reducing("run");
  EXPECT_EQ(run.train_on(2), 0);
  const auto rates = run.values(io::metric::kLearningRate);
  EXPECT_DOUBLE_EQ(rates.at(6), 1e-30);    // validations at 2, 4 and 6
  EXPECT_DOUBLE_EQ(rates.at(7), 0.5e-30);  // the second without improvement was that of 6
  EXPECT_DOUBLE_EQ(rates.at(11), 0.25e-30);
}

TEST_F(PlateauRun, ResumesWithTheReducedRate) {
  TinyRun whole = reducing("whole"), parts = reducing("parts");
  whole.train_on(1);
  parts.options.steps = 7;
  parts.train_on(1);
  parts.options.steps = 20;
  parts.train_on(1);
  auto expected = whole.values(io::metric::kLearningRate);
  auto rates = parts.values(io::metric::kLearningRate);
  EXPECT_EQ(rates.at(7), expected.at(7));
  EXPECT_LT(rates.at(20), rates.at(7));
}

TEST_F(PlateauRun, RequiresValidations) {
  TinyRun stops = constant("stops"), reduces = reducing("reduces");
  stops.options.early_stopping.patience = 1;
  for (TinyRun* run : {&stops, &reduces}) {
    run->options.evaluate_every = 0;
    EXPECT_THROW(run->train_on(1), ConfigurationError);
  }
}

}  // namespace
}  // namespace ripieno
