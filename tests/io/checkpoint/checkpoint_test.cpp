#include "ripieno/io/checkpoint/checkpoint.h"

#include <gmock/gmock.h>

#include <cmath>

#include "io/checkpoint/sample_state.h"
#include "io/files/crashing_file_system.h"
#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Optional;
using testing::ThrowsMessage;

class SavedCheckpoint : public testing::Test {
 protected:
  void save(int64_t step, int ranks = 1, int keep = 3) {
    save_on_ranks(files_, "run", step, ranks, sample_state(static_cast<int>(step)),
                  "attempt " + std::to_string(attempts_++), keep);
  }
  Checkpoint opened(int64_t step) { return Checkpoint::open(files_, path(step)); }
  static std::string path(int64_t step) { return "run/step_0000000" + std::to_string(step); }
  std::vector<std::string> names() { return files_.names_in("run"); }
  void flip(const std::string& file) { files_.bytes(file)[files_.bytes(file).size() / 2] ^= 1; }
  // Flips a bit in the data of the first tensor.
  void flip_number(int64_t step) {
    const auto json = nlohmann::json::parse(read_file(files_, path(step) + "/manifest.json"));
    const auto& piece = json["tensors"][0]["pieces"][0];
    files_.bytes(path(step) + "/" + piece["file"].get<std::string>())[piece["file_offset"]] ^= 1;
  }

  CrashingFileSystem files_;
  int attempts_ = 0;
};

TEST_F(SavedCheckpoint, SupportsEveryElementType) {
  save(1);
  EXPECT_EQ(numbers_in(files_, path(1)), numbers_of(sample_state(1)));
}

TEST_F(SavedCheckpoint, ContainsTheTrainingState) {
  save(7);
  EXPECT_EQ(opened(7).training_state(), training_state(7));
  EXPECT_EQ(opened(7).step(), 7);
}

TEST_F(SavedCheckpoint, ListsItsTensorsInTheOrderOfTheModel) {
  save(1, 4);
  const State sample = sample_state(1);
  const auto tensors = opened(1).tensors();
  ASSERT_EQ(tensors.size(), sample.size());
  for (std::size_t i = 0; i < sample.size(); ++i) {
    EXPECT_EQ(tensors[i].name, sample[i].name);
    EXPECT_EQ(tensors[i].shape, sample[i].shape);
    EXPECT_EQ(tensors[i].dtype, sample[i].dtype);
    EXPECT_EQ(tensors[i].kind, sample[i].kind);
  }
}

TEST_F(SavedCheckpoint, LoadsOnAnyNumberOfRanks) {
  save(1, 4);
  EXPECT_EQ(opened(1).world_size(), 4);
  for (const int ranks : {1, 2, 3, 7}) {
    State whole = blank_state(sample_state(1));
    for (int rank = 0; rank < ranks; ++rank) opened(1).load(share_of(whole, rank, ranks));
    EXPECT_EQ(numbers_of(whole), numbers_of(sample_state(1))) << ranks << " ranks";
  }
}

TEST_F(SavedCheckpoint, LoadsASingleKindOfState) {
  save(1, 2);
  State parameters = blank_state(sample_state(1));
  std::erase_if(parameters, [](const auto& t) { return t.kind != StateKind::parameter; });
  opened(1).load(parameters);
  EXPECT_EQ(numbers_of(parameters)[0], numbers_of(sample_state(1))[0]);
}

TEST_F(SavedCheckpoint, ReadsOnlyThePiecesThatAreLoaded) {
  save(1, 4);
  files_.remove_all(path(1) + "/shard_00003_of_00004.h5");
  State share = share_of(blank_state(sample_state(1)), 0, 4);
  opened(1).load(share);
  EXPECT_EQ(numbers_of(share), numbers_of(share_of(sample_state(1), 0, 4)));
}

TEST_F(SavedCheckpoint, LeavesTheStateUnchangedIfItDoesNotMatch) {
  save(1);
  State wanted = blank_state(sample_state(1));
  const auto before = numbers_of(wanted);
  wanted.back().name = "another";
  EXPECT_THROW(opened(1).load(wanted), ConfigurationError);
  EXPECT_EQ(numbers_of(wanted), before);
}

TEST_F(SavedCheckpoint, IsNotLoadedIfAPieceIsDamaged) {
  save(1);
  flip_number(1);
  EXPECT_THAT([&] { opened(1).load(blank_state(sample_state(1))); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("shard_00000_of_00001.h5 is damaged"),
                                             HasSubstr("parameter embedding.weight"))));
}

TEST_F(SavedCheckpoint, ContainsOnlyItsFiles) {
  save(1, 2);
  EXPECT_THAT(files_.names_in(path(1)),
              ElementsAre("checkpoint.h5", "manifest.json", "shard_00000_of_00002.h5",
                          "shard_00001_of_00002.h5"));
  EXPECT_THAT(names(), ElementsAre("step_00000001"));
}

TEST_F(SavedCheckpoint, IsFoundIfItIsTheNewest) {
  EXPECT_EQ(newest_intact(files_, "run").path, std::nullopt);
  save(1);
  save(2, 3);
  const Found found = newest_intact(files_, "run");
  EXPECT_THAT(found.path, Optional(path(2)));
  EXPECT_THAT(found.rejected, IsEmpty());
}

TEST_F(SavedCheckpoint, IsSkippedForAnOlderOneIfItIsDamaged) {
  for (const int64_t step : {1, 2, 3}) save(step);
  flip(path(3) + "/manifest.json");
  flip(path(2) + "/checkpoint.h5");
  const Found found = newest_intact(files_, "run");
  EXPECT_THAT(found.path, Optional(path(1)));
  EXPECT_THAT(found.rejected, ElementsAre(HasSubstr(path(3) + "/manifest.json is damaged"),
                                          HasSubstr(path(2) + "/checkpoint.h5 is damaged")));
}

TEST_F(SavedCheckpoint, IsRejectedIfAFileIsMissing) {
  save(1, 2);
  files_.remove_all(path(1) + "/shard_00001_of_00002.h5");
  const Found found = newest_intact(files_, "run");
  EXPECT_EQ(found.path, std::nullopt);
  EXPECT_THAT(found.rejected, ElementsAre(HasSubstr("shard_00001_of_00002.h5")));
}

TEST_F(SavedCheckpoint, CountsItsNonFiniteElements) {
  const Tensor weight = Tensor::of<float>({4}, {1, std::nanf(""), 3, -HUGE_VALF});
  save_on_ranks(files_, "run", 1, 2, {state_of("w", StateKind::parameter, weight)}, "once");
  const auto checkpoint = Checkpoint::open(files_, path(1));
  EXPECT_EQ(checkpoint.tensors()[0].not_finite, 2);
  int64_t found = 0;
  checkpoint.verify({.on_not_finite = [&](const std::string& tensor, int64_t count) {
    EXPECT_EQ(tensor, "parameter w");
    found += count;
  }});
  EXPECT_EQ(found, 2);
}

TEST_F(SavedCheckpoint, IsKeptIfItIsAmongTheNewest) {
  for (const int64_t step : {1, 2, 3, 4}) save(step, 2, /*keep=*/2);
  EXPECT_THAT(names(), ElementsAre("step_00000003", "step_00000004"));
}

TEST_F(SavedCheckpoint, IsKeptIfAllAreKept) {
  for (const int64_t step : {1, 2, 3, 4}) save(step, 1, /*keep=*/0);
  EXPECT_EQ(names().size(), 4u);
}

TEST_F(SavedCheckpoint, IsKeptInPlaceOfOneWhoseManifestIsDamaged) {
  for (const int64_t step : {1, 2}) save(step);
  flip(path(2) + "/manifest.json");
  save(3, 1, /*keep=*/2);
  EXPECT_THAT(names(), ElementsAre("step_00000001", "step_00000002", "step_00000003"));
}

TEST_F(SavedCheckpoint, OfALaterStepIsNotRemoved) {
  save(5);
  for (const int64_t step : {1, 2, 3}) save(step, 1, /*keep=*/1);
  EXPECT_THAT(names(), ElementsAre("step_00000003", "step_00000005"));
}

TEST_F(SavedCheckpoint, IsReplacedIfItsStepIsSavedOnAnotherNumberOfRanks) {
  save(1, 3);
  save_on_ranks(files_, "run", 1, 2, sample_state(8), "again");
  EXPECT_THAT(names(), ElementsAre("step_00000001"));
  EXPECT_EQ(numbers_in(files_, path(1)), numbers_of(sample_state(8)));
}

TEST_F(SavedCheckpoint, IsRenamedToDamagedIfItIsDamagedAndItsStepIsSavedAgain) {
  save(1);
  flip(path(1) + "/shard_00000_of_00001.h5");
  save(1);
  EXPECT_THAT(names(), ElementsAre("step_00000001", "step_00000001.damaged"));
  EXPECT_THAT(newest_intact(files_, "run").path, Optional(path(1)));
}

TEST_F(SavedCheckpoint, UsesNoFilesOfAnEarlierAttempt) {
  // In the first attempt rank 0 saves nothing, in the second rank 1 saves nothing.
  save_checkpoint(files_, "run", 1, share_of(sample_state(3), 1, 2), {},
                  {.rank = 1, .size = 2, .attempt = "earlier"});
  const auto save_alone = [&] {
    save_checkpoint(files_, "run", 1, share_of(sample_state(1), 0, 2), {},
                    {.rank = 0, .size = 2, .attempt = "later", .timeout_seconds = 0});
  };
  EXPECT_THAT(save_alone,
              ThrowsMessage<StorageError>(HasSubstr("waiting for the shard of rank 1")));
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(SavedCheckpoint, RemovesTheRemainsOfEarlierAttempts) {
  for (const int size : {4, 2}) {
    save_checkpoint(files_, "run", 1, share_of(sample_state(3), 1, size), {},
                    {.rank = 1, .size = size, .attempt = "earlier"});
  }
  write_file(files_, path(1) + ".partial/manifest.json", "of an earlier attempt");
  save_checkpoint(files_, "run", 2, share_of(sample_state(3), 1, 2), {},
                  {.rank = 1, .size = 2, .attempt = "earlier"});
  save(1, 2);
  EXPECT_THAT(names(), ElementsAre("step_00000001"));
  EXPECT_EQ(numbers_in(files_, path(1)), numbers_of(sample_state(1)));
}

TEST_F(SavedCheckpoint, RejectsAnAttemptThatWasUsed) {
  const auto save_rank_1 = [&] {
    save_checkpoint(files_, "run", 1, share_of(sample_state(3), 1, 2), {},
                    {.rank = 1, .size = 2, .attempt = "the same"});
  };
  save_rank_1();
  EXPECT_THAT(save_rank_1, ThrowsMessage<Error>(HasSubstr("was already used for step 1")));
}

TEST_F(SavedCheckpoint, ReportsTheErrorOfAnotherRankOnRank0) {
  State damaged = share_of(sample_state(1), 1, 2);
  damaged[8].name = "a//b";
  EXPECT_THROW(
      save_checkpoint(files_, "run", 1, damaged, {}, {.rank = 1, .size = 2, .attempt = "one"}),
      Error);
  EXPECT_THAT(
      [&] {
        save_checkpoint(files_, "run", 1, share_of(sample_state(1), 0, 2), {},
                        {.rank = 0, .size = 2, .attempt = "one", .timeout_seconds = 0});
      },
      ThrowsMessage<StorageError>(HasSubstr("rank 1: save_checkpoint: \"a//b\"")));
}

TEST_F(SavedCheckpoint, IsNotCommittedWhileAShardIsPartlyVisible) {
  save_checkpoint(files_, "run", 1, share_of(sample_state(1), 1, 2), {},
                  {.rank = 1, .size = 2, .attempt = "one"});
  files_.bytes(path(1) + ".partial/shard_00001_of_00002.h5").pop_back();
  EXPECT_THAT(
      [&] {
        save_checkpoint(files_, "run", 1, share_of(sample_state(1), 0, 2), {},
                        {.rank = 0, .size = 2, .attempt = "one", .timeout_seconds = 0});
      },
      ThrowsMessage<StorageError>(HasSubstr("waiting for the shard of rank 1")));
}

TEST_F(SavedCheckpoint, ReportsTheErrorOfRank0RatherThanATimeoutOfOthers) {
  State unnamed = share_of(sample_state(1), 0, 2);
  unnamed[0].name = "";
  EXPECT_THAT(
      [&] {
        save_checkpoint(files_, "run", 1, unnamed, {},
                        {.rank = 0, .size = 2, .attempt = "one", .timeout_seconds = 0});
      },
      ThrowsMessage<Error>(HasSubstr("\"\" is not a valid tensor name")));
}

TEST_F(SavedCheckpoint, IsRejectedIfTheSharesLeaveAGap) {
  State share = share_of(sample_state(1), 0, 2);
  const auto save_half = [&] {
    save_checkpoint(files_, "run", 1, share, {}, {.rank = 0, .size = 1, .attempt = "half"});
  };
  EXPECT_THAT(save_half, ThrowsMessage<Error>(HasSubstr("is missing")));
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(SavedCheckpoint, RejectsATrainingStateThatIsNotUtf8) {
  EXPECT_THAT(
      [&] {
        save_checkpoint(files_, "run", 1, sample_state(1), {{"text", "\xff"}}, {});
      },
      ThrowsMessage<Error>(HasSubstr("not UTF-8")));
}

TEST(ShareOf, IsContiguousCompleteAndBalancedByBytes) {
  const State whole = sample_state(1);
  for (const int size : {1, 2, 3, 8}) {
    std::vector<int64_t> next(whole.size(), 0);
    std::vector<std::size_t> bytes(static_cast<std::size_t>(size), 0);
    for (int rank = 0; rank < size; ++rank) {
      const State share = share_of(whole, rank, size);
      for (std::size_t i = 0; i < share.size(); ++i) {
        EXPECT_EQ(share[i].begin, next[i]);
        next[i] += share[i].count();
        bytes[static_cast<std::size_t>(rank)] += share[i].part.bytes();
      }
    }
    for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(next[i], whole[i].shape.elements());
    const auto [least, most] = std::minmax_element(bytes.begin(), bytes.end());
    EXPECT_LE(*most - *least, 2 * sizeof(double));
  }
}

}  // namespace
}  // namespace ripieno::io
