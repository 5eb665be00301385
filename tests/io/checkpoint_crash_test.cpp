// What a save leaves when the power is cut, or storage fails, at any of its operations.
#include <gmock/gmock.h>

#include <functional>

#include "io/crashing_file_system.h"
#include "io/sample_state.h"
#include "ripieno/core/error.h"

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

void save(FileSystem& files, int64_t step, int version, const std::string& attempt, int keep = 3) {
  save_on_ranks(files, "run/checkpoints", step, kRanks, sample_state(version), attempt, keep);
}

// What the newest intact checkpoint holds is one of `versions`, whole.
void expect_one_of(const FileSystem& files, const std::vector<int>& versions) {
  const Found found = newest_intact(files, "run/checkpoints");
  ASSERT_TRUE(found.path.has_value());
  EXPECT_THAT(found.rejected, IsEmpty());
  const auto numbers = numbers_in(files, *found.path);
  EXPECT_TRUE(std::any_of(versions.begin(), versions.end(), [&](int version) {
    return numbers == numbers_of(sample_state(version));
  }));
}

void make_run_directory(FileSystem& files) {
  files.make_directories("run");
  files.sync_directory(".");
}

// Runs `action` on what `prepare` leaves, with the power cut at each of its operations in turn, and
// calls `check` with whether it was done.
template <typename Prepare, typename Action, typename Check>
void cut_power_everywhere(Prepare prepare, Action action, Check check) {
  for (const Outcome outcome : outcomes()) {
    bool finished = false;
    for (int operations = 0; !finished; ++operations) {
      SCOPED_TRACE(testing::Message() << "after operation " << operations);
      CrashingFileSystem files;
      make_run_directory(files);
      prepare(files);
      files.cut_power_after(operations);
      try {
        action(files);
        finished = true;
      } catch (const PowerCut&) {
      }
      files.restart(outcome.survives, outcome.seed);
      check(files, finished);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(Checkpoint, IsWholeOrAbsentAfterAPowerCutAtAnyOperation) {
  cut_power_everywhere([](auto& files) { save(files, 1, 1, "old"); },
                       [](auto& files) { save(files, 2, 2, "new"); },
                       [](auto& files, bool finished) {
                         expect_one_of(files, finished ? std::vector{2} : std::vector{1, 2});
                       });
}

TEST(Checkpoint, TheFirstIsWholeOrAbsentAfterAPowerCutAtAnyOperation) {
  cut_power_everywhere([](auto&) {}, [](auto& files) { save(files, 1, 1, "first"); },
                       [](auto& files, bool finished) {
                         const Found found = newest_intact(files, "run/checkpoints");
                         EXPECT_THAT(found.rejected, IsEmpty());
                         if (finished || found.path) expect_one_of(files, {1});
                       });
}

TEST(Checkpoint, IsNeverLostWhileItsStepIsSavedAgain) {
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

TEST(Checkpoint, IsWholeWhereItOpensWhileItIsBeingRemoved) {
  cut_power_everywhere([](auto& files) { save(files, 1, 1, "old", 1); },
                       [](auto& files) { save(files, 2, 2, "new", 1); },
                       [](auto& files, bool) {
                         expect_one_of(files, {1, 2});
                         const std::string old = "run/checkpoints/step_00000001";
                         if (opens(files, old)) Checkpoint::open(files, old).verify();
                       });
}

TEST(Checkpoint, IsSavedAfterAPowerCutAtAnyOperation) {
  cut_power_everywhere([](auto& files) { save(files, 1, 1, "old"); },
                       [](auto& files) { save(files, 2, 2, "cut"); },
                       [](auto& files, bool) {
                         save(files, 2, 3, "again");
                         expect_one_of(files, {3});
                         files.restart(Survives::what_was_synced);
                         expect_one_of(files, {3});
                       });
}

// Storage fails at each operation of a save in turn: the save that throws left the old checkpoint
// as it was, the one that does not is whole.
TEST(Checkpoint, IsWholeOrAbsentAfterAFailureAtAnyOperation) {
  bool reached = true;
  for (int operations = 0; reached; ++operations) {
    SCOPED_TRACE(testing::Message() << "operation " << operations << " fails");
    CrashingFileSystem files;
    make_run_directory(files);
    save(files, 1, 1, "old");
    files.fail_after(operations);
    bool saved = true;
    try {
      save(files, 2, 2, "new");
    } catch (const StorageError&) {
      saved = false;
    }
    reached = files.failed();
    files.fail_after(-1);  // none
    expect_one_of(files, saved ? std::vector{2} : std::vector{1, 2});

    save(files, 2, 3, "again");
    files.restart(Survives::what_was_synced);
    expect_one_of(files, {3});
    ASSERT_FALSE(HasFailure());
  }
}

TEST(Checkpoint, LeavesNoRemainsWhereASaveFails) {
  bool reached = true;
  for (int operations = 0; reached; ++operations) {
    SCOPED_TRACE(testing::Message() << "operation " << operations << " fails");
    CrashingFileSystem files;
    make_run_directory(files);
    save(files, 1, 1, "old");
    files.fail_after(operations);
    try {
      save(files, 2, 2, "new");
    } catch (const StorageError&) {
    }
    reached = files.failed();
    files.fail_after(-1);
    save(files, 3, 3, "later");
    for (const std::string& name : files.names_in("run/checkpoints"))
      EXPECT_EQ(name.size(), std::string_view("step_00000000").size()) << name;
  }
}

// Does something, and then fails, when a side file is synced.
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

TEST(Checkpoint, LeavesNoShardOfARankThatFailed) {
  FailingSideFiles files;
  files.before_failing = [] {};
  EXPECT_THROW(save_checkpoint(files, "run", 1, share_of(sample_state(1), 1, 2), {},
                               {.rank = 1, .size = 2, .attempt = "first"}),
               StorageError);
  EXPECT_FALSE(files.exists("run/step_00000001.partial/shard_00001_of_00002.h5"));
}

TEST(Checkpoint, IsNotCommittedWithAShardWhoseRankMayStillFail) {
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
