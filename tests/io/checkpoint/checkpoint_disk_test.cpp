// Checkpoints on a real file system: ranks as threads, a full disk, and other programs that read
// HDF5.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "io/checkpoint/sample_state.h"
#include "io/files/crashing_file_system.h"
#include "io/files/temporary_directory.h"
#include "io/files/tiny_disk.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/file_lock.h"
#include "ripieno/io/formats/hdf5.h"

namespace ripieno::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;
using testing::ThrowsMessage;

class CheckpointOnDisk : public testing::Test {
 protected:
  std::string saved(int ranks) {
    save_on_ranks(local_files(), directory_ / "checkpoints", 1, ranks, sample_state(1), "first");
    return directory_ / "checkpoints/step_00000001";
  }
  // The output of a command; empty if it fails.
  std::string output_of(const std::string& command) {
    const std::string out = directory_ / "out";
    if (::system((command + " >" + out + " 2>&1").c_str()) != 0) return "";
    return read_file(local_files(), out);
  }

  TemporaryDirectory directory_;
};

TEST_F(CheckpointOnDisk, IsSavedByConcurrentRanks) {
  constexpr int kRanks = 4;
  for (const int64_t step : {1, 2, 3}) {
    std::vector<std::jthread> ranks;
    for (int rank = 0; rank < kRanks; ++rank) {
      ranks.emplace_back([&, rank] {
        save_checkpoint(local_files(), directory_ / "c", step,
                        share_of(sample_state(static_cast<int>(step)), rank, kRanks), {},
                        {.rank = rank, .size = kRanks, .attempt = "a", .timeout_seconds = 60});
      });
    }
    ranks.clear();
    const Found found = newest_intact(local_files(), directory_ / "c");
    ASSERT_TRUE(found.path.has_value());
    EXPECT_EQ(numbers_in(local_files(), *found.path),
              numbers_of(sample_state(static_cast<int>(step))));
  }
}

TEST_F(CheckpointOnDisk, RemovesTheShardOfALateRankIfRank0Failed) {
  State unnamed = share_of(sample_state(1), 0, 2);
  unnamed[0].name = "";
  std::jthread rank_0([&] {
    EXPECT_THROW(save_checkpoint(local_files(), directory_ / "c", 1, unnamed, {},
                                 {.rank = 0, .size = 2, .attempt = "a", .timeout_seconds = 60}),
                 Error);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  save_checkpoint(local_files(), directory_ / "c", 1, share_of(sample_state(1), 1, 2), {},
                  {.rank = 1, .size = 2, .attempt = "a"});
  rank_0.join();
  EXPECT_THAT(local_files().names_in(directory_ / "c"), IsEmpty());
}

TEST_F(CheckpointOnDisk, HasEveryTensorInItsView) {
  for (const int ranks : {1, 3, 4}) {
    const Hdf5File view(saved(ranks) + "/checkpoint.h5");
    const State sample = sample_state(1);
    const auto numbers = numbers_of(sample);
    for (std::size_t i = 0; i < sample.size(); ++i) {
      const std::string group = sample[i].kind == StateKind::parameter ? "/parameters/"
                                : sample[i].kind == StateKind::buffer  ? "/buffers/"
                                                                       : "/optimizer/";
      const Tensor read = view.read(group + sample[i].name);
      EXPECT_EQ(read.shape(), sample[i].shape) << sample[i].name;
      EXPECT_EQ(read.dtype(), sample[i].dtype) << sample[i].name;
      EXPECT_EQ(read.to(DType::float64).to_vector<double>(), numbers[i]) << sample[i].name;
    }
  }
}

TEST_F(CheckpointOnDisk, NamesAShardThatIsMissingFromItsView) {
  const std::string path = saved(2);
  std::filesystem::remove(path + "/shard_00000_of_00002.h5");
  const Hdf5File view(path + "/checkpoint.h5");
  EXPECT_THAT([&] { view.read("/parameters/embedding.weight"); },
              ThrowsMessage<DataError>(
                  HasSubstr("refers to shard_00000_of_00002.h5, which does not exist")));
}

TEST_F(CheckpointOnDisk, CanBeReadByH5pyAfterItWasMoved) {
  std::string python;
  for (const std::string program : {"python3", "/usr/bin/python3"}) {
    if (!output_of(program + " -c 'import h5py; print(1)'").empty()) python = program;
  }
  if (python.empty()) GTEST_SKIP() << "no python3-h5py";
  std::filesystem::rename(saved(3), directory_ / "moved");
  std::ofstream(directory_ / "read.py") << R"(
import h5py, sys
with h5py.File(sys.argv[1], "r") as view:
    print(view["parameters/blocks.0.weight"][()].ravel().astype(float).tolist())
    print(view["parameters/embedding.weight"].shape, view["buffers/flags"].dtype)
)";
  std::string expected = "[";
  const auto numbers = numbers_of(sample_state(1));
  for (const double value : numbers[1])
    expected += (expected.size() > 1 ? ", " : "") + std::to_string(static_cast<int>(value)) + ".0";
  EXPECT_EQ(
      output_of(python + " " + (directory_ / "read.py ") + (directory_ / "moved/checkpoint.h5")),
      expected + "]\n(7, 3, 5) bool\n");
}

TEST_F(CheckpointOnDisk, CanBeReadByH5dump) {
  if (output_of("h5dump --version").empty()) GTEST_SKIP() << "no hdf5-tools";
  const std::string shown =
      output_of("h5dump -d /parameters/blocks.0.bias " + saved(2) + "/checkpoint.h5");
  EXPECT_THAT(shown, HasSubstr("DATASPACE  SIMPLE { ( 31 ) / ( 31 ) }"));
  EXPECT_THAT(shown, HasSubstr("(0): 5, 12, 19, 26, 2, 9"));
}

TEST(Checkpoint, IsKeptIfTheDiskIsFullForTheNextOne) {
  const TinyDisk disk("600k");
  if (!disk.is_mounted()) GTEST_SKIP() << "only root may mount a small disk";
  const State state = {state_of("weight", StateKind::parameter, Tensor::full({60000}, 1))};
  const auto save = [&](int64_t step) {
    save_checkpoint(local_files(), disk / "c", step, state, {},
                    {.attempt = std::to_string(step), .keep = {.newest = 1}});
  };
  save(1);
  save(2);  // 240 KB each: there is space for a third only because the first was removed
  std::ofstream(disk / "others") << std::string(300'000, 'x');
  EXPECT_THAT([&] { save(3); }, ThrowsMessage<StorageError>(HasSubstr(
                                    "No space left on device; free some space: 0.2 MiB needed")));
  EXPECT_THAT(newest_intact(local_files(), disk / "c").path, Optional(disk / "c/step_00000002"));
  EXPECT_EQ(local_files().names_in(disk / "c").size(), 1u);

  std::filesystem::remove(disk / "others");
  save(4);
  EXPECT_THAT(newest_intact(local_files(), disk / "c").path, Optional(disk / "c/step_00000004"));
}

// As by mpirun without SaveOptions::rank and size.
TEST_F(CheckpointOnDisk, TwoProcessesCannotSaveAStepAsRank0AtOnce) {
  const std::string partial = directory_ / "checkpoints/step_00000001.partial";
  local_files().make_directories(partial);
  {
    const PathLock of_another_process(partial);
    ASSERT_EQ(of_another_process.state(), FileLock::held);
    write_file(local_files(), partial + "/theirs", "");
    EXPECT_THAT([&] { saved(1); },
                ThrowsMessage<Error>(AllOf(HasSubstr("by another save as rank 0"),
                                           HasSubstr("share_of(state, rank, size)"),
                                           HasSubstr("SaveOptions::rank and SaveOptions::size"))));
    EXPECT_TRUE(local_files().exists(partial + "/theirs"));
  }
  EXPECT_EQ(numbers_in(local_files(), saved(1)), numbers_of(sample_state(1)));
}

TEST_F(CheckpointOnDisk, WholeStatesOfTwoRanksAreRefusedWithTheRemedy) {
  const auto save_rank = [&](int rank) {
    save_checkpoint(local_files(), directory_ / "checkpoints", 1, sample_state(1), {},
                    {.rank = rank, .size = 2, .attempt = "one"});
  };
  save_rank(1);
  EXPECT_THAT([&] { save_rank(0); },
              ThrowsMessage<Error>(AllOf(HasSubstr("do not cover the state"),
                                         HasSubstr("share_of(state, rank, size)"))));
}

TEST(Checkpoint, UsesTheSpaceOfAnEarlierAttempt) {
  const TinyDisk disk("400k");
  if (!disk.is_mounted()) GTEST_SKIP() << "only root may mount a small disk";
  const State state = {state_of("weight", StateKind::parameter, Tensor::full({60000}, 1))};
  save_checkpoint(local_files(), disk / "c", 1, state, {},
                  {.rank = 1, .size = 2, .attempt = "left behind"});
  save_checkpoint(local_files(), disk / "c", 1, state, {}, {.attempt = "now"});
  EXPECT_THAT(newest_intact(local_files(), disk / "c").path, Optional(disk / "c/step_00000001"));
}

}  // namespace
}  // namespace ripieno::io
