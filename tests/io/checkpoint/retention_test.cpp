#include "ripieno/io/checkpoint/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/checkpoint/sample_state.h"
#include "io/files/temporary_directory.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;

class KeptCheckpoints : public testing::Test {
 protected:
  void save(int64_t step, const nlohmann::json& measured, const Retention& retention) {
    save_checkpoint(local_files(), directory_.path(), step, sample_state(0),
                    {{"measured", measured}}, {.attempt = std::to_string(step), .keep = retention});
  }
  std::vector<std::string> names() const { return local_files().names_in(directory_.path()); }

  TemporaryDirectory directory_;
};

TEST_F(KeptCheckpoints, AreTheNewestAndThoseOfEveryNthStep) {
  for (const int64_t step : {10, 15, 20, 25, 30, 35}) save(step, {}, {.newest = 1, .every = 20});
  EXPECT_THAT(names(), ElementsAre("step_00000020", "step_00000035"));
}

TEST_F(KeptCheckpoints, AreThoseOfTheSmallestLoss) {
  const double losses[] = {2.0, 1.5, 1.2, 1.8, 1.9};
  for (int64_t step = 0; step < 5; ++step)
    save(step, {{"validation_loss", losses[step]}}, {.newest = 1, .best = 2});
  EXPECT_THAT(names(), ElementsAre("step_00000001", "step_00000002", "step_00000004"));
}

TEST_F(KeptCheckpoints, AreThoseOfTheLargestAccuracy) {
  const double accuracies[] = {0.5, 0.9, 0.7};
  for (int64_t step = 0; step < 3; ++step)
    save(step, {{"accuracy", accuracies[step]}}, {.newest = 1, .best = 1, .metric = "accuracy"});
  EXPECT_THAT(names(), ElementsAre("step_00000001", "step_00000002"));
}

TEST_F(KeptCheckpoints, CountAmongTheBestOnlyWhereTheyWereMeasured) {
  save(1, {{"validation_loss", 3.0}}, {.newest = 1, .best = 1});
  save(2, {{"accuracy", 0.1}}, {.newest = 1, .best = 1});
  save(3, {{"validation_loss", "low"}}, {.newest = 1, .best = 1});
  EXPECT_THAT(names(), ElementsAre("step_00000001", "step_00000003"));
}

TEST_F(KeptCheckpoints, AreAllWhereNoNumberIsGiven) {
  for (const int64_t step : {1, 2, 3, 4}) save(step, {}, {.newest = 0});
  EXPECT_EQ(names().size(), 4u);
}

}  // namespace
}  // namespace ripieno::io
