#include "ripieno/io/checkpoint/background_save.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <latch>
#include <map>
#include <nlohmann/json.hpp>

#include "io/checkpoint/sample_state.h"
#include "io/files/crashing_file_system.h"
#include "io/files/hanging_file_system.h"
#include "io/files/no_threads.h"
#include "io/files/temporary_directory.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/io/files/watched_files.h"
#include "ripieno/io/formats/hdf5.h"

namespace ripieno::io {
namespace {

using testing::IsEmpty;

class BackgroundSave : public testing::Test {
 protected:
  std::string path(int64_t step) const {
    return directory_ / ("step_0000000" + std::to_string(step));
  }
  void start(int64_t step, const State& state, std::function<void()> before = {}) {
    saver_.start(step, state, training_state(1), {.attempt = std::to_string(step)},
                 std::move(before));
  }
  // A function that blocks until `released_` is counted down.
  std::function<void()> blocked() {
    return [this] { released_.wait(); };
  }

  TemporaryDirectory directory_;
  std::latch released_{1};
  BackgroundSaver saver_{local_files(), directory_.path()};
};

// A copy of sample_state() that a test may change.
State mutable_state(int version) {
  State state = sample_state(version);
  for (StateTensor& tensor : state) tensor.part = tensor.part.clone();
  return state;
}

TEST_F(BackgroundSave, SavesTheStateAtItsStart) {
  State state = mutable_state(1);
  start(1, state, blocked());
  saver_.wait_until_copied();
  for (StateTensor& tensor : state) tensor.part.fill(0.0);
  released_.count_down();
  EXPECT_THAT(saver_.wait()->failure, IsEmpty());
  EXPECT_EQ(numbers_in(local_files(), path(1)), numbers_of(sample_state(1)));
}

TEST_F(BackgroundSave, DoesNotBlockItsCaller) {
  start(1, sample_state(1), blocked());
  EXPECT_TRUE(saver_.is_saving());
  EXPECT_FALSE(saver_.poll().has_value());
  EXPECT_FALSE(local_files().exists(path(1)));
  released_.count_down();
  EXPECT_EQ(saver_.wait()->step, 1);
  EXPECT_TRUE(local_files().exists(path(1)));
}

TEST_F(BackgroundSave, ReturnsItsResultOnce) {
  start(1, sample_state(1));
  EXPECT_TRUE(saver_.wait().has_value());
  EXPECT_FALSE(saver_.wait().has_value());
  EXPECT_FALSE(saver_.poll().has_value());
}

TEST_F(BackgroundSave, AllowsOneSaveAtATime) {
  start(1, sample_state(1), blocked());
  EXPECT_THROW(start(2, sample_state(2)), Error);
  EXPECT_THROW(saver_.reserve(sample_state(2)), Error);
  released_.count_down();
  saver_.wait();
  start(2, sample_state(2));
  EXPECT_EQ(saver_.wait()->step, 2);
}

TEST_F(BackgroundSave, ReportsItsFailureAndSavesTheNextOne) {
  start(1, sample_state(1), [] { throw StorageError("the disk is gone"); });
  EXPECT_EQ(saver_.wait()->failure, "the disk is gone");
  EXPECT_FALSE(local_files().exists(path(1)));
  start(2, sample_state(2));
  EXPECT_THAT(saver_.wait()->failure, IsEmpty());
}

TEST_F(BackgroundSave, StopsWaitingForOtherRanksWhenItsSaverIsDestroyed) {
  BackgroundSaver saver(local_files(), directory_.path());
  saver.start(1, share_of(sample_state(1), 0, 2), {},
              {.rank = 0, .size = 2, .attempt = "a", .timeout_seconds = 1e6});
  // The destructor returns although rank 1 never saves.
}

TEST(StalledSave, FailsIfStorageDoesNotRespondForTooLong) {
  auto& files = HangingFileSystem::immortal();
  files.hanging = "step_00000001.partial/manifest.json";
  BackgroundSaver saver(files, "run");
  saver.start(1, sample_state(1), {}, {.attempt = "1", .stall_timeout_seconds = 1});
  EXPECT_THAT(saver.wait()->failure,
              testing::HasSubstr("manifest.json: storage has not responded for 1 s"));
  EXPECT_FALSE(saver.is_saving());
  saver.start(2, sample_state(2), {}, {.attempt = "2"});
  EXPECT_THAT(saver.wait()->failure, IsEmpty());
  files.released.count_down();
}

TEST(StalledSave, FailsIfTheFunctionCalledBeforeItHangs) {
  static auto& files = *new CrashingFileSystem;  // its thread outlives the test
  static auto& released = *new std::latch(1);
  BackgroundSaver saver(files, "run");
  saver.start(1, sample_state(1), {}, {.attempt = "1", .stall_timeout_seconds = 1},
              [] { released.wait(); });
  EXPECT_THAT(saver.wait()->failure, testing::HasSubstr("run: storage has not responded for 1 s"));
  released.count_down();
}

TEST(WatchedFiles, FailEveryOperationOnceAbandoned) {
  CrashingFileSystem files;
  WatchedFiles watched(files);
  const auto file = watched.create("a");
  watched.abandon();
  EXPECT_THROW(file->sync(), StorageError);
  EXPECT_THROW(watched.rename("a", "b"), StorageError);
  EXPECT_TRUE(files.exists("a"));
}

// Exits the process, with status 0 if the save succeeded.
[[noreturn]] void save_without_threads(const std::string& directory) {
  if (!refuse_threads()) std::_Exit(0);
  BackgroundSaver saver(local_files(), directory);
  const Tensor large = Tensor::full({3 << 20}, 1);  // large enough for a background writer
  saver.start(1, {state_of("large", StateKind::parameter, large)}, {}, {.attempt = "a"});
  const auto ended = saver.wait();
  if (!ended->failure.empty()) std::fputs(ended->failure.c_str(), stderr);
  std::_Exit(ended->failure.empty() ? 0 : 1);
}

TEST(SaveWithoutThreads, IsWrittenByTheCallingThread) {
  const TemporaryDirectory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
  EXPECT_EXIT(save_without_threads(directory.path()), testing::ExitedWithCode(0), "");
}

TEST_F(BackgroundSave, AllocatesItsMemoryInReserve) {
  const State state = {
      state_of("weight", StateKind::parameter, Tensor::zeros({1 << 20}, DType::float32))};
  const auto held = [] { return pool(Device::cpu()).statistics().bytes_held; };
  saver_.reserve(state);
  const auto before = held();
  for (const int64_t step : {1, 2, 3}) {
    start(step, state);
    saver_.wait();
  }
  EXPECT_LT(held() - before, 1 << 20);  // of 4 MiB
}

// All values in the HDF5 files of a checkpoint, as libhdf5 reads them.
std::map<std::string, std::vector<double>> numbers_by_path(const std::string& checkpoint) {
  std::map<std::string, std::vector<double>> numbers;
  for (const std::string name : {"checkpoint.h5", "shard_00000_of_00001.h5"}) {
    const Hdf5File file(checkpoint + "/" + name);
    for (const auto& data_set : file.data_sets()) {
      const Tensor tensor = file.read(data_set.path);
      numbers[name + data_set.path + to_string(tensor.shape())] =
          tensor.to(DType::float64).to_vector<double>();
    }
  }
  return numbers;
}

TEST_F(BackgroundSave, WritesTheSameLayoutAsAFirstSave) {
  State fewer = sample_state(3);
  fewer.erase(fewer.begin());
  State renamed = sample_state(4);
  renamed[0].name = "other.weight";
  int64_t step = 0;
  for (const State& state : {sample_state(1), sample_state(2), fewer, renamed, renamed}) {
    const SaveOptions options{.attempt = "an attempt"};
    saver_.start(++step, state, {}, options);
    ASSERT_THAT(saver_.wait()->failure, IsEmpty());
    save_checkpoint(local_files(), directory_ / "first", step, state, {}, options);
    EXPECT_EQ(numbers_by_path(path(step)),
              numbers_by_path(directory_ / "first/step_0000000" + std::to_string(step)));
  }
}

TEST_F(BackgroundSave, AcceptsAStateOfAnotherShapeThanReserved) {
  saver_.reserve(share_of(sample_state(1), 0, 3));
  start(1, sample_state(2));
  EXPECT_THAT(saver_.wait()->failure, IsEmpty());
  EXPECT_EQ(numbers_in(local_files(), path(1)), numbers_of(sample_state(2)));
}

}  // namespace
}  // namespace ripieno::io
