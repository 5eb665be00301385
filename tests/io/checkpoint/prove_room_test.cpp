#include "ripieno/io/checkpoint/prove_room.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <limits>

#include "io/checkpoint/sample_state.h"
#include "io/files/crashing_file_system.h"
#include "io/files/temporary_directory.h"
#include "io/files/tiny_disk.h"
#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

// A file system with `free` bytes of free space.
class SmallFiles final : public CrashingFileSystem {
 public:
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    return std::make_unique<File>(CrashingFileSystem::create(path), free);
  }
  int64_t free = 0;

 private:
  class File final : public WritableFile {
   public:
    File(std::unique_ptr<WritableFile> file, int64_t free) : file_(std::move(file)), free_(free) {}
    void reserve(int64_t bytes) override {
      if (bytes > free_)
        throw StorageError(std::to_string(bytes) + " needed, " + std::to_string(free_) + " free");
    }
    void append(std::span<const std::byte> bytes) override { file_->append(bytes); }
    void sync() override { file_->sync(); }

   private:
    std::unique_ptr<WritableFile> file_;
    int64_t free_;
  };
};

class Room : public testing::Test {
 protected:
  Room() {
    files_.make_directories("run");
    files_.free = 1 << 20;
  }
  bool is_enough(int64_t free, const RoomNeeded& needed) {
    files_.free = free;
    try {
      prove_room(files_, "run", needed);
      return true;
    } catch (const StorageError&) {
      return false;
    }
  }
  // The smallest sufficient amount of space, in checkpoints.
  int64_t checkpoints(RoomNeeded needed) {
    needed.bytes = 100;
    int64_t count = 0;
    while (!is_enough(100 * count, needed)) ++count;
    return count;
  }
  void save(int64_t step) {
    save_checkpoint(files_, "run", step, sample_state(0), {}, {.attempt = std::to_string(step)});
  }

  SmallFiles files_;
};

TEST_F(Room, IsRequiredForTheKeptCheckpointsAndTheOneBeingWritten) {
  EXPECT_EQ(checkpoints({.saves = 10, .keep = {.newest = 3}}), 4);
  EXPECT_EQ(checkpoints({.saves = 10, .keep = {.newest = 3, .best = 2}}), 6);
  EXPECT_EQ(checkpoints({.saves = 2, .keep = {.newest = 3}}), 2);
  EXPECT_EQ(checkpoints({.saves = 10, .keep = {.newest = 0}}), 1);
}

TEST_F(Room, IsReusedFromEarlierCheckpointsOfTheRun) {
  for (const int64_t step : {1, 2}) save(step);
  EXPECT_EQ(checkpoints({.saves = 10, .keep = {.newest = 2}}), 1);
  EXPECT_EQ(checkpoints({.saves = 10, .keep = {.newest = 4}}), 3);
  EXPECT_EQ(checkpoints({.saves = 1, .keep = {.newest = 4}}), 1);
  EXPECT_EQ(checkpoints({.saves = 10, .keep = {.newest = 2}, .resumed_step = 1}), 2);
  EXPECT_EQ(checkpoints({.saves = 10, .keep = {.newest = 2}, .resumed_step = -1}), 3);
}

TEST_F(Room, IsNotRequiredIfNothingIsSaved) {
  EXPECT_EQ(checkpoints({.saves = 0, .keep = {.newest = 2}}), 0);
}

TEST_F(Room, IsReusedFromInterruptedSaves) {
  save(1);
  files_.make_directories("run/step_00000002.partial");
  write_file(files_, "run/step_00000002.partial/shard_00000_of_00001.h5", "half of it");
  prove_room(files_, "run", {.bytes = 100, .saves = 10, .keep = {.newest = 1}});
  EXPECT_THAT(files_.names_in("run"), testing::ElementsAre("step_00000001"));
}

TEST_F(Room, ThatIsMissingIsReportedInOneLineWithARemedy) {
  EXPECT_THAT(
      [&] { prove_room(files_, "run", {.bytes = 1 << 20, .saves = 10, .keep = {.newest = 2}}); },
      ThrowsMessage<StorageError>(
          AllOf(HasSubstr("3145728 needed, 1048576 free, for 3 checkpoints at once"),
                HasSubstr("checkpoint.keep"))));
  EXPECT_THAT(files_.names_in("run"), IsEmpty());
}

TEST_F(Room, OfManyHugeCheckpointsDoesNotOverflow) {
  EXPECT_FALSE(is_enough(
      1 << 20,
      {.bytes = std::numeric_limits<int64_t>::max() / 2, .saves = 10, .keep = {.newest = 9}}));
}

TEST(RoomOnDisk, IsMeasured) {
  const TinyDisk disk("1m");
  if (!disk.is_mounted()) GTEST_SKIP() << "only root may mount a small disk";
  const auto prove = [&](int64_t bytes) {
    prove_room(local_files(), disk / "run", {.bytes = bytes, .saves = 9, .keep = {.newest = 1}});
  };
  prove(400 << 10);
  EXPECT_THAT([&] { prove(600 << 10); },
              ThrowsMessage<StorageError>(HasSubstr("free some space: 1.2 MiB needed, 1.0 MiB "
                                                    "free, for 2 checkpoints at once")));
  EXPECT_THAT(local_files().names_in(disk / "run"), IsEmpty());
}

TEST(RoomOnDisk, IsNotCheckedIfTheFileSystemDoesNotReportItsSize) {
  const TinyDisk disk("0");  // without a limit
  if (!disk.is_mounted()) GTEST_SKIP() << "only root may mount a disk";
  prove_room(local_files(), disk / "run", {.bytes = int64_t{1} << 60});
}

TEST(CheckpointBytes, AreAtMostTwiceTheSizeOfTheCheckpoint) {
  const TemporaryDirectory directory;
  for (const int ranks : {1, 4}) {
    const std::string path = directory / std::to_string(ranks);
    save_on_ranks(local_files(), path, 1, ranks, sample_state(1), "a");
    int64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(path + "/step_00000001"))
      bytes += static_cast<int64_t>(file.file_size());
    EXPECT_GE(checkpoint_bytes(sample_state(1), ranks), bytes);
    EXPECT_LE(checkpoint_bytes(sample_state(1), ranks), 2 * bytes);
  }
}

}  // namespace
}  // namespace ripieno::io
