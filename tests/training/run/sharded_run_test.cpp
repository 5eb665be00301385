// Runs with sharded optimizer state or gradients, continued on other numbers of ranks.
#include <gtest/gtest.h>

#include <filesystem>

#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using distributed::Shard;

struct RankSetup {
  int ranks;
  Shard shard;
};

class ShardedRun : public testing::TestWithParam<Shard> {
 protected:
  TinyRun run_as(const std::string& name, Shard shard) const {
    TinyRun run{.directory = directory_ / name};
    run.parallel_options = {.shard = shard, .bucket_bytes = 1024};
    return run;
  }
  // Trains to step 6, then continues to step 12 with another setup.
  std::map<int64_t, double> losses_of(const RankSetup& first, const RankSetup& second,
                                      DType precision) const {
    TinyRun run = run_as("stopped", first.shard);
    std::filesystem::remove_all(run.directory);
    run.precision = precision;
    run.options.steps = 6;
    run.train_on(first.ranks);
    run.parallel_options.shard = second.shard;
    run.options.steps = 12;
    run.train_on(second.ranks);
    return run.losses();
  }

  TemporaryDirectory directory_;
};

TEST_P(ShardedRun, ContinuesOnAnyNumberOfRanksWithAndWithoutShards) {
  for (const DType precision : {DType::float32, DType::bfloat16}) {
    const double tolerance =
        precision == DType::float32 ? 1e-5 : 1e-2;  // sums over ranks are rounded differently
    const auto expected = losses_of({1, Shard::none}, {1, Shard::none}, precision);
    for (const auto& [first, second] : std::initializer_list<std::pair<RankSetup, RankSetup>>{
             {{3, GetParam()}, {1, Shard::none}},
             {{1, Shard::none}, {3, GetParam()}},
             {{2, GetParam()}, {3, GetParam()}},
             {{3, GetParam()}, {2, Shard::none}}}) {
      const auto losses = losses_of(first, second, precision);
      ASSERT_EQ(losses.size(), expected.size());
      for (const auto& [step, loss] : expected) EXPECT_NEAR(losses.at(step), loss, tolerance);
    }
  }
}

TEST_P(ShardedRun, ContinuesBitwiseOnTheSameNumberOfRanks) {
  for (const DType precision : {DType::float32, DType::bfloat16}) {
    TinyRun whole = run_as("whole", GetParam());
    std::filesystem::remove_all(whole.directory);
    whole.precision = precision;
    whole.train_on(3);
    EXPECT_EQ(losses_of({3, GetParam()}, {3, GetParam()}, precision), whole.losses());
  }
}

TEST_P(ShardedRun, EachRankSavesItsShard) {
  TinyRun run = run_as("run", GetParam());
  run.channels = 64;  // so that no tensor is most of the model
  run.train_on(4);
  const auto checkpoint = run.directory + "/checkpoints/step_00000012";
  std::vector<std::uintmax_t> bytes;
  for (int rank = 0; rank < 4; ++rank)
    bytes.push_back(std::filesystem::file_size(checkpoint + "/shard_0000" + std::to_string(rank) +
                                               "_of_00004.h5"));
  for (const auto size : bytes) EXPECT_NEAR(1.0 * size / bytes[0], 1.0, 0.1);
}

TEST_P(ShardedRun, SomeRanksCanHaveNoRows) {
  TinyRun run = run_as("run", Shard::none);
  run.batch_size = 3;
  run.train_on(1);
  const auto expected = run.losses();
  run = run_as("shared", GetParam());
  run.batch_size = 3;
  run.train_on(4);
  for (const auto& [step, loss] : expected) EXPECT_NEAR(run.losses().at(step), loss, 1e-5);
}

TEST_P(ShardedRun, RanksCanHaveDifferentNumbersOfMicroBatches) {
  TinyRun run = run_as("run", Shard::none);
  run.batch_size = 5;
  run.train_on(1);
  const auto expected = run.losses();
  run = run_as("shared", GetParam());
  run.batch_size = 5;
  run.parallel_options.micro_batch_size = 2;  // two of one rank's three rows, one of the other's
  run.train_on(2);
  for (const auto& [step, loss] : expected) EXPECT_NEAR(run.losses().at(step), loss, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Shards, ShardedRun, testing::Values(Shard::optimizer, Shard::gradients));

}  // namespace
}  // namespace ripieno
