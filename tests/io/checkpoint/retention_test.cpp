#include "ripieno/io/checkpoint/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "io/checkpoint/sample_state.h"
#include "io/files/crashing_file_system.h"
#include "io/files/temporary_directory.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/io/files/sealed_json.h"

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

TEST_F(KeptCheckpoints, AreTheNewestAndEveryNthStep) {
  for (const int64_t step : {10, 15, 20, 25, 30, 35}) save(step, {}, {.newest = 1, .every = 20});
  EXPECT_THAT(names(), ElementsAre("step_00000020", "step_00000035"));
}

TEST_F(KeptCheckpoints, HaveTheSmallestLosses) {
  const double losses[] = {2.0, 1.5, 1.2, 1.8, 1.9};
  for (int64_t step = 0; step < 5; ++step)
    save(step, {{"validation_loss", losses[step]}}, {.newest = 1, .best = 2});
  EXPECT_THAT(names(), ElementsAre("step_00000001", "step_00000002", "step_00000004"));
}

TEST_F(KeptCheckpoints, HaveTheLargestAccuracies) {
  const double accuracies[] = {0.5, 0.9, 0.7};
  for (int64_t step = 0; step < 3; ++step)
    save(step, {{"accuracy", accuracies[step]}}, {.newest = 1, .best = 1, .metric = "accuracy"});
  EXPECT_THAT(names(), ElementsAre("step_00000001", "step_00000002"));
}

TEST_F(KeptCheckpoints, AreRankedOnlyIfTheyWereMeasured) {
  save(1, {{"validation_loss", 3.0}}, {.newest = 1, .best = 1});
  save(2, {{"accuracy", 0.1}}, {.newest = 1, .best = 1});
  save(3, {{"validation_loss", "low"}}, {.newest = 1, .best = 1});
  EXPECT_THAT(names(), ElementsAre("step_00000001", "step_00000003"));
}

// A file system on which files whose path contains `unreadable` cannot be read.
class UnreadableFiles final : public CrashingFileSystem {
 public:
  std::unique_ptr<ReadableFile> open(const std::string& path) const override {
    if (is_unreadable(path)) throw StorageError("cannot open " + path + ": Stale file handle");
    return CrashingFileSystem::open(path);
  }
  // stat() fails too.
  bool exists(const std::string& path) const override {
    if (is_unreadable(path)) throw StorageError("cannot stat " + path + ": Stale file handle");
    return CrashingFileSystem::exists(path);
  }
  std::string unreadable;

 private:
  bool is_unreadable(const std::string& path) const {
    return !unreadable.empty() && path.find(unreadable) != std::string::npos;
  }
};

class UnreadableCheckpoint : public testing::Test {
 protected:
  void save(int64_t step, const Retention& retention, CommitMode commit = CommitMode::rename) {
    save_checkpoint(files_, "run", step, sample_state(0),
                    {{"measured", {{"validation_loss", static_cast<double>(step)}}}},
                    {.attempt = std::to_string(attempts_++), .commit = commit, .keep = retention});
  }

  UnreadableFiles files_;
  int attempts_ = 0;
};

TEST_F(UnreadableCheckpoint, IsNotRemoved) {
  for (const int64_t step : {1, 2}) save(step, {.newest = 3});
  files_.unreadable = "step_00000001/manifest.json";
  for (const int64_t step : {3, 4}) save(step, {.newest = 1});
  EXPECT_THAT(files_.names_in("run"), ElementsAre("step_00000001", "step_00000004"));
  files_.unreadable = "";
  save(5, {.newest = 1, .best = 1});
  EXPECT_THAT(files_.names_in("run"), ElementsAre("step_00000001", "step_00000005"));
}

TEST_F(UnreadableCheckpoint, IsNotRemovedIfItIsUnknownWhetherItWasSetAside) {
  for (const int64_t step : {1, 2}) save(step, {.newest = 3});
  files_.unreadable = "step_00000001/" + std::string(kSetAsideName);
  for (const int64_t step : {3, 4}) save(step, {.newest = 1});
  EXPECT_THAT(files_.names_in("run"), ElementsAre("step_00000001", "step_00000004"));
  EXPECT_THAT(candidates_in(files_, "run"),
              ElementsAre("run/step_00000004", "run/step_00000001"));  // reading it reports why
}

TEST_F(UnreadableCheckpoint, IsNotTreatedAsMissingIfItsDirectoryCannotBeRead) {
  save(1, {});
  files_.unreadable = "run";
  EXPECT_THROW(candidates_in(files_, "run"), StorageError);
}

TEST_F(UnreadableCheckpoint, IsNotTreatedAsAnInterruptedSave) {
  for (const int64_t step : {1, 2}) save(step, {.newest = 3}, CommitMode::manifest);
  files_.unreadable = "step_00000001@0/manifest.json";
  for (const int64_t step : {3, 4}) save(step, {.newest = 1}, CommitMode::manifest);
  EXPECT_THAT(files_.names_in("run"), ElementsAre("step_00000001@0", "step_00000004@3"));
}

TEST_F(UnreadableCheckpoint, IsSavedEvenIfItIsUnknownWhetherItsAttemptIsNew) {
  files_.unreadable = "step_00000001@0/manifest.json";
  save(1, {.newest = 0}, CommitMode::manifest);
  files_.unreadable = "";
  EXPECT_NO_THROW(Checkpoint::open(files_, "run/step_00000001@0").verify());
}

TEST_F(UnreadableCheckpoint, IsNotRenamedToDamagedIfItsStepIsSavedAgain) {
  save(1, {});
  files_.unreadable = "step_00000001/shard";
  save(1, {.newest = 0});
  EXPECT_THAT(files_.names_in("run"), ElementsAre("step_00000001", "step_00000001.replaced"));
}

TEST_F(UnreadableCheckpoint, IsRemovedOnceItIsKnownToBeDamagedUnlessItsStepIsKept) {
  for (const int64_t step : {1, 2}) save(step, {.newest = 3});
  for (const char* name : {"run/step_00000001/manifest.json", "run/step_00000002/manifest.json"})
    files_.bytes(name)[20] ^= 1;
  for (const int64_t step : {3, 4}) save(step, {.newest = 1, .every = 2});
  EXPECT_THAT(files_.names_in("run"), ElementsAre("step_00000002", "step_00000004"));
}

TEST_F(UnreadableCheckpoint, IsKeptIfALaterVersionWroteIt) {
  save(1, {.newest = 3});
  std::string text = files_.bytes("run/step_00000001/manifest.json");
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 9");
  files_.bytes("run/step_00000001/manifest.json") = seal(text.substr(2, text.rfind(",\n") - 2));
  for (const int64_t step : {2, 3}) save(step, {.newest = 1});
  EXPECT_THAT(files_.names_in("run"), ElementsAre("step_00000001", "step_00000003"));
}

TEST_F(KeptCheckpoints, IncludeTheNewestFiniteCheckpoint) {
  const auto save_with = [&](int64_t step, float first) {
    State state = sample_state(0);
    const auto floats = std::find_if(state.begin(), state.end(), [](const StateTensor& tensor) {
      return tensor.dtype == DType::float32 && tensor.kind == StateKind::parameter;
    });
    floats->part = floats->part.clone();
    floats->part.data<float>()[0] = first;
    save_checkpoint(local_files(), directory_.path(), step, state, {},
                    {.attempt = std::to_string(step), .keep = {.newest = 1}});
  };
  for (const int64_t step : {1, 2}) save_with(step, 0.5F);
  for (const int64_t step : {3, 4}) save_with(step, std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(names(), ElementsAre("step_00000002", "step_00000004"));
  save_with(5, 0.5F);
  EXPECT_THAT(names(), ElementsAre("step_00000005"));
}

TEST_F(KeptCheckpoints, AreAllIfNewestIsZero) {
  for (const int64_t step : {1, 2, 3, 4}) save(step, {}, {.newest = 0});
  EXPECT_EQ(names().size(), 4u);
}

}  // namespace
}  // namespace ripieno::io
