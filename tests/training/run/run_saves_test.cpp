// The checkpoints that a run saves while it trains, and failed saves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "ripieno/core/error.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

class SavingRun : public testing::TestWithParam<int> {
 protected:
  SavingRun() {
    run.directory = directory / "run";
    run.options.messages = std::tmpfile();
  }
  ~SavingRun() override { std::fclose(run.options.messages); }

  std::vector<std::string> checkpoints() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(run.directory + "/checkpoints"))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string messages() const {
    std::rewind(run.options.messages);
    std::string text(10'000, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), run.options.messages));
    return text;
  }
  // Replaces the directory of checkpoints by a file from before step 3 until before step `until`.
  StepHook obstruct(int64_t until) const {
    return [this, until](Session& session, int64_t step) {
      if (session.rank() != 0) return;
      const std::string path = run.directory + "/checkpoints";
      if (step == 3 || step == until) std::filesystem::remove_all(path);
      if (step == 3) std::ofstream(path) << "in the way";
    };
  }

  TemporaryDirectory directory;
  TinyRun run;
};

TEST_P(SavingRun, ContinuesAfterAFailedSaveAndRetries) {
  run.options.steps = 30;
  EXPECT_EQ(run.train_on(GetParam(), obstruct(15)), 0);
  EXPECT_THAT(messages(), AllOf(HasSubstr("saving step 5 failed: "), HasSubstr("checkpoints"),
                                HasSubstr("training continues")));
  EXPECT_THAT(checkpoints(), Contains("step_00000030"));
}

TEST_P(SavingRun, EndsAfterAFailedSaveWithStopOnFailedSave) {
  run.options.steps = 200;
  run.options.stop_on_failed_save = true;
  ExitStatus status = ExitStatus::finished;
  try {
    run.train_on(GetParam(), obstruct(1000));
  } catch (const std::exception& error) {
    status = exit_status_of(error);
  }
  EXPECT_EQ(status, ExitStatus::storage);
  EXPECT_LT(run.losses().size(), 200u);
}

TEST_P(SavingRun, SavesEachNewBestAndKeepsTheBest) {
  run.options.steps = 20;
  run.options.checkpoint_every = 1000;
  run.options.evaluate_every = 1;
  run.options.keep = {.newest = 1, .best = 1};
  run.train_on(GetParam());
  const auto losses = run.validation_losses();
  const auto best =
      std::min_element(losses.begin(), losses.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  char name[20];
  std::snprintf(name, sizeof name, "step_%08d", static_cast<int>(best->first));
  EXPECT_THAT(checkpoints(), AllOf(Contains(name), Contains("step_00000020")));
  EXPECT_LE(checkpoints().size(), 2u);
}

TEST_P(SavingRun, WithAnAutomaticIntervalSavesAtTheEnd) {
  run.options.checkpoint_every = std::nullopt;
  run.train_on(GetParam());
  EXPECT_THAT(checkpoints(), Contains("step_00000012"));
}

TEST_P(SavingRun, SavesAfterEveryStepWithAnIntervalOfOne) {
  run.options.checkpoint_every = 1;
  run.options.keep.newest = 0;
  run.train_on(GetParam());
  EXPECT_EQ(checkpoints().size(), 12u);
}

INSTANTIATE_TEST_SUITE_P(On, SavingRun, testing::Values(1, 2, 3),
                         [](const auto& rank) { return std::to_string(rank.param) + "Ranks"; });

}  // namespace
}  // namespace ripieno
