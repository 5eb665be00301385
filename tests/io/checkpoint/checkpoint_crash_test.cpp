// Checkpoints are complete or absent after a power cut or a storage failure at any operation of a
// save, in both commit modes: by rename, and by manifest on file systems without renames.
#include <gmock/gmock.h>

#include <functional>
#include <memory>

#include "io/checkpoint/sample_state.h"
#include "io/files/crashing_file_system.h"
#include "io/files/sequential_file_system.h"
#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/manifest.h"
#include "ripieno/io/checkpoint/step_directory.h"

namespace ripieno::io {
namespace {

using Survives = CrashingFileSystem::Survives;
using testing::IsEmpty;
using testing::Optional;

constexpr int kRanks = 2;

struct Outcome {
  Survives survives;
  unsigned seed;
};
std::vector<Outcome> outcomes() {
  std::vector<Outcome> all = {{Survives::what_was_synced, 0}, {Survives::every_name, 0}};
  for (unsigned seed = 0; seed < 4; ++seed) all.push_back({Survives::some, seed});
  return all;
}

void make_run_directory(FileSystem& files) {
  files.make_directories("run");
  files.sync_directory(".");
}

// Checks that the newest intact checkpoint contains the complete state of one of `versions`.
void expect_one_of(const FileSystem& files, const std::vector<int>& versions) {
  const Found found = newest_intact(files, "run/checkpoints");
  ASSERT_TRUE(found.path.has_value());
  EXPECT_THAT(found.rejected, IsEmpty());
  const auto numbers = numbers_in(files, *found.path);
  EXPECT_TRUE(std::any_of(versions.begin(), versions.end(), [&](int version) {
    return numbers == numbers_of(sample_state(version));
  }));
}

class CheckpointCommit : public testing::TestWithParam<CommitMode> {
 protected:
  static std::unique_ptr<CrashingFileSystem> new_files() {
    if (GetParam() == CommitMode::rename) return std::make_unique<CrashingFileSystem>();
    return std::make_unique<SequentialFileSystem>();
  }
  static void save(FileSystem& files, int64_t step, int version, const std::string& attempt,
                   int keep = 3) {
    save_on_ranks(files, "run/checkpoints", step, kRanks, sample_state(version), attempt, keep,
                  GetParam());
  }
  static std::string path_of(int64_t step, const std::string& attempt) {
    const std::string path = "run/checkpoints/step_0000000" + std::to_string(step);
    return GetParam() == CommitMode::rename ? path : path + "@" + attempt;
  }

  // Calls `prepare`, then `action` with the power cut at each of its operations in turn, restarts
  // and calls `check` with whether the action finished.
  template <typename Prepare, typename Action, typename Check>
  static void cut_power_everywhere(Prepare prepare, Action action, Check check) {
    for (const Outcome outcome : outcomes()) {
      bool finished = false;
      for (int operations = 0; !finished; ++operations) {
        SCOPED_TRACE(testing::Message() << "after operation " << operations);
        const auto files = new_files();
        make_run_directory(*files);
        prepare(*files);
        files->cut_power_after(operations);
        try {
          action(*files);
          finished = true;
        } catch (const PowerCut&) {
        }
        files->restart(outcome.survives, outcome.seed);
        check(*files, finished);
        if (testing::Test::HasFailure()) return;
      }
    }
  }

  // Calls `prepare`, then `act` with each of its operations failing in turn, and, after storage has
  // recovered, `check` with the error message (empty if nothing was thrown).
  template <typename Prepare, typename Act, typename Check>
  static void fail_everywhere(Prepare prepare, Act act, Check check) {
    fail_at_any_call([](auto& files, int n) { files.fail_after(n); }, prepare, act, check);
  }
  // The same with all later operations of the same kind failing, or all later operations.
  template <typename Prepare, typename Act, typename Check>
  static void fail_on_everywhere(Prepare prepare, Act act, Check check) {
    for (const std::string operation :
         {"append", "sync", "rename", "reserve", "create", "open", "read", "exists", "names_in",
          "make_directories", "remove", "remove_all", "sync_directory", "any"}) {
      SCOPED_TRACE(operation);
      fail_at_any_call([&](auto& files, int n) { files.fail_from(operation, n); }, prepare, act,
                       check);
    }
  }

 private:
  template <typename Fail, typename Prepare, typename Act, typename Check>
  static void fail_at_any_call(Fail fail, Prepare prepare, Act act, Check check) {
    bool reached = true;
    for (int number = 0; reached && !testing::Test::HasFailure(); ++number) {
      SCOPED_TRACE(testing::Message() << "call " << number << " fails");
      const auto files = new_files();
      make_run_directory(*files);
      prepare(*files);
      fail(*files, number);
      std::string failure;
      try {
        act(*files);
      } catch (const StorageError& error) {
        failure = error.what();
      }
      reached = files->failed();
      files->recover();
      check(*files, failure);
    }
  }
};

TEST_P(CheckpointCommit, IsWholeOrAbsentAfterAPowerCutAtAnyOperation) {
  cut_power_everywhere([](auto& files) { save(files, 1, 1, "old"); },
                       [](auto& files) { save(files, 2, 2, "new"); },
                       [](auto& files, bool finished) {
                         expect_one_of(files, finished ? std::vector{2} : std::vector{1, 2});
                       });
}

TEST_P(CheckpointCommit, OfTheFirstCheckpointIsWholeOrAbsentAfterAPowerCutAtAnyOperation) {
  cut_power_everywhere([](auto&) {}, [](auto& files) { save(files, 1, 1, "first"); },
                       [](auto& files, bool finished) {
                         const Found found = newest_intact(files, "run/checkpoints");
                         EXPECT_THAT(found.rejected, IsEmpty());
                         if (finished || found.path) expect_one_of(files, {1});
                       });
}

TEST_P(CheckpointCommit, IsNeverLostWhileItsStepIsSavedAgain) {
  cut_power_everywhere([](auto& files) { save(files, 1, 1, "old"); },
                       [](auto& files) { save(files, 1, 2, "new"); },
                       [](auto& files, bool finished) {
                         expect_one_of(files, finished ? std::vector{2} : std::vector{1, 2});
                       });
}

bool opens(const FileSystem& files, const std::string& path) {
  try {
    Checkpoint::open(files, path);
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST_P(CheckpointCommit, IsWholeIfItOpensAfterAPowerCutDuringItsRemoval) {
  cut_power_everywhere([](auto& files) { save(files, 1, 1, "old", 1); },
                       [](auto& files) { save(files, 2, 2, "new", 1); },
                       [](auto& files, bool) {
                         expect_one_of(files, {1, 2});
                         const std::string old = path_of(1, "old");
                         if (opens(files, old)) Checkpoint::open(files, old).verify();
                       });
}

TEST_P(CheckpointCommit, IsSavedAfterAPowerCutAtAnyOperation) {
  cut_power_everywhere([](auto& files) { save(files, 1, 1, "old"); },
                       [](auto& files) { save(files, 2, 2, "cut"); },
                       [](auto& files, bool) {
                         save(files, 2, 3, "again");
                         expect_one_of(files, {3});
                         files.restart(Survives::what_was_synced);
                         expect_one_of(files, {3});
                       });
}

// If the save threw, the old checkpoint is unchanged; otherwise the new one is complete.
void expect_saved(CrashingFileSystem& files, const std::string& failure) {
  expect_one_of(files, failure.empty() ? std::vector{2} : std::vector{1, 2});
}

TEST_P(CheckpointCommit, IsWholeOrAbsentAfterAFailureAtAnyOperation) {
  const auto prepare = [](auto& files) { save(files, 1, 1, "old"); };
  const auto act = [](auto& files) { save(files, 2, 2, "new"); };
  const auto check = [](auto& files, const std::string& failure) {
    expect_saved(files, failure);
    save(files, 2, 3, "again");
    files.restart(Survives::what_was_synced);
    expect_one_of(files, {3});
  };
  fail_everywhere(prepare, act, check);
  fail_on_everywhere(prepare, act, check);
}

TEST_P(CheckpointCommit, IsNeverLostIfItsStepIsSavedAgainAndAnyOperationFails) {
  const auto prepare = [](auto& files) { save(files, 1, 1, "old"); };
  // This name sorts after that of the old attempt.
  const auto act = [](auto& files) { save(files, 1, 2, "young"); };
  const auto check = [](auto& files, const std::string& failure) {
    expect_saved(files, failure);
    save(files, 1, 3, "again");
    files.restart(Survives::what_was_synced);
    expect_one_of(files, {3});
  };
  fail_everywhere(prepare, act, check);
  fail_on_everywhere(prepare, act, check);
}

TEST_P(CheckpointCommit, KeepsOneCheckpointIfAnyOperationFailsAndOnlyOneIsKept) {
  fail_everywhere([](auto& files) { save(files, 1, 1, "old", 1); },
                  [](auto& files) { save(files, 2, 2, "new", 1); },
                  [](auto& files, const std::string& failure) {
                    expect_saved(files, failure);
                    files.restart(Survives::what_was_synced);
                    expect_saved(files, failure);
                  });
}

TEST_P(CheckpointCommit, NamesTheFileIfAnyOperationFails) {
  fail_everywhere([](auto&) {}, [](auto& files) { save(files, 1, 1, "first"); },
                  [](auto&, const std::string& failure) {
                    EXPECT_TRUE(failure.empty() || failure.find("run") != std::string::npos)
                        << failure;
                  });
}

TEST_P(CheckpointCommit, LeavesNothingBehindIfASaveFails) {
  fail_everywhere([](auto& files) { save(files, 1, 1, "old"); },
                  [](auto& files) { save(files, 2, 2, "new"); },
                  [](auto& files, const std::string&) {
                    save(files, 3, 3, "later");
                    for (const std::string& name : files.names_in("run/checkpoints"))
                      EXPECT_NO_THROW(Checkpoint::open(files, "run/checkpoints/" + name)) << name;
                  });
}

TEST_P(CheckpointCommit, IsRecordedInTheManifest) {
  const auto files = new_files();
  save(*files, 1, 1, "first");
  const std::string manifest = read_file(*files, path_of(1, "first") + "/manifest.json");
  EXPECT_EQ(manifest_from_text(manifest).commit, GetParam());
}

TEST_P(CheckpointCommit, IsFoundByTryingARename) {
  const auto files = new_files();
  EXPECT_EQ(probe_commit_mode(*files, "run/checkpoints"), GetParam());
  EXPECT_THAT(files->names_in("run/checkpoints"), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(, CheckpointCommit,
                         testing::Values(CommitMode::rename, CommitMode::manifest),
                         [](const auto& mode) { return "by_" + std::string(name_of(mode.param)); });

// With the same directory, one save would overwrite the other's files.
TEST(CommitByManifest, RequiresADifferentAttemptForEachSave) {
  SequentialFileSystem files;
  const auto save = [&](const std::string& attempt) {
    save_on_ranks(files, "run", 1, 1, sample_state(1), attempt, 3, CommitMode::manifest);
  };
  save("first");
  EXPECT_THROW(save("first"), Error);
  EXPECT_THROW(save("a/b"), Error);
  EXPECT_THROW(save(""), Error);
  EXPECT_EQ(numbers_in(files, "run/step_00000001@first"), numbers_of(sample_state(1)));
}

TEST(CommitByManifest, HidesASaveWithATruncatedManifestFromReaders) {
  SequentialFileSystem files;
  save_on_ranks(files, "run", 1, 1, sample_state(1), "first", 3, CommitMode::manifest);
  const std::string path = "run/step_00000001@first";
  std::string& manifest = files.bytes(path + "/manifest.json");
  const std::string whole = manifest;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    manifest = whole.substr(0, size);
    EXPECT_THAT(candidates_in(files, "run"), IsEmpty()) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {  // a damaged manifest is reported instead
    manifest = whole;
    manifest[at] ^= 1;
    EXPECT_THAT(newest_intact(files, "run").rejected, testing::SizeIs(1)) << at;
  }
}

// Calls before_failing() and then fails when a side file is synced.
class FailingSideFiles final : public CrashingFileSystem {
 public:
  std::function<void()> before_failing;

  std::unique_ptr<WritableFile> create(const std::string& path) override {
    auto file = CrashingFileSystem::create(path);
    if (path.find(".json") == std::string::npos || before_failing == nullptr) return file;
    return std::make_unique<Failing>(std::move(file), std::exchange(before_failing, nullptr));
  }

 private:
  class Failing final : public WritableFile {
   public:
    Failing(std::unique_ptr<WritableFile> file, std::function<void()> before_failing)
        : file_(std::move(file)), before_failing_(std::move(before_failing)) {}
    void reserve(int64_t bytes) override { file_->reserve(bytes); }
    void append(std::span<const std::byte> bytes) override { file_->append(bytes); }
    void sync() override {
      before_failing_();
      throw StorageError("sync fails");
    }

   private:
    std::unique_ptr<WritableFile> file_;
    std::function<void()> before_failing_;
  };
};

TEST(Checkpoint, RemovesTheShardOfARankThatFailed) {
  FailingSideFiles files;
  files.before_failing = [] {};
  EXPECT_THROW(save_checkpoint(files, "run", 1, share_of(sample_state(1), 1, 2), {},
                               {.rank = 1, .size = 2, .attempt = "first"}),
               StorageError);
  EXPECT_FALSE(files.exists("run/step_00000001.partial/shard_00001_of_00002.h5"));
}

TEST(CommitByManifest, KeepsCheckpointsMarkedAsSetAside) {
  SequentialFileSystem files;
  const auto save = [&](int64_t step) {
    save_on_ranks(files, "run", step, 1, sample_state(1), "a", 1, CommitMode::manifest);
  };
  save(2);
  mark_set_aside(files, "run/step_00000002@a");
  EXPECT_THAT(candidates_in(files, "run"), IsEmpty());
  save(1);
  save(3);
  save(4);
  EXPECT_THAT(candidates_in(files, "run"), testing::ElementsAre("run/step_00000004@a"));
  EXPECT_EQ(numbers_in(files, "run/step_00000002@a"), numbers_of(sample_state(1)));
}

// In this mode rank 0 may see the side file before its rank knows that it is written.
TEST(CommitByManifest, KeepsAShardThatRank0MayHaveCommitted) {
  FailingSideFiles files;
  const auto save_share = [&](int rank) {
    save_checkpoint(files, "run", 1, share_of(sample_state(1), rank, 2), {},
                    {.rank = rank,
                     .size = 2,
                     .attempt = "first",
                     .timeout_seconds = 0,
                     .commit = CommitMode::manifest});
  };
  files.before_failing = [&] { save_share(0); };
  EXPECT_THROW(save_share(1), StorageError);
  EXPECT_THAT(newest_intact(files, "run").path, Optional(std::string("run/step_00000001@first")));
}

TEST(Checkpoint, IsNotCommittedBeforeAllSideFilesAreComplete) {
  FailingSideFiles files;
  const auto save_share = [&](int rank) {
    save_checkpoint(files, "run", 1, share_of(sample_state(1), rank, 2), {},
                    {.rank = rank, .size = 2, .attempt = "first", .timeout_seconds = 0});
  };
  files.before_failing = [&] { EXPECT_THROW(save_share(0), StorageError); };
  EXPECT_THROW(save_share(1), StorageError);
  EXPECT_EQ(newest_intact(files, "run").path, std::nullopt);
}

}  // namespace
}  // namespace ripieno::io
