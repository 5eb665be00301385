// Compares sharded with replicated data parallel training.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "distributed/allocations.h"
#include "distributed/counted.h"
#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/sgd.h"
#include "ripieno/distributed/gradients/shards.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::FloatNear;
using ::testing::Pointwise;

TEST(Shards, CoverEachBucketOnceInRankOrder) {
  for (const Bucket bucket : {Bucket{64, 128}, Bucket{0, 1001}, Bucket{7, 9}, Bucket{5, 5}}) {
    for (const int size : {1, 2, 3, 5, 7, 64}) {
      int64_t end = bucket.begin;
      for (int rank = 0; rank < size; ++rank) {
        const ElementRange owned = owned_by(bucket, rank, size);
        EXPECT_EQ(owned.begin, end);
        EXPECT_GE(owned.elements(), 0);
        end = owned.end;
      }
      EXPECT_EQ(end, bucket.end);
    }
  }
}

TEST(Shards, SumAndGatherDoNotTouchNeighboringBuckets) {
  for (const int size : {2, 3, 5}) {
    on_every_rank(size, [&](Communicator& ranks) {
      Tensor all = Tensor::full({21}, 1.0);
      const Bucket bucket{2, 19};
      const Tensor inside = all.slice(0, bucket.begin, bucket.end);
      sum_by_reduce_scatter(ranks)->sum(bucket, inside);
      const ElementRange own = owned_by(bucket, ranks.rank(), ranks.size());
      EXPECT_THAT(all.slice(0, own.begin, own.end).to_vector<float>(),
                  Each(static_cast<float>(size)));
      gather_shards(ranks, bucket, inside);
      EXPECT_THAT(inside.to_vector<float>(), Each(static_cast<float>(size)));
      EXPECT_THAT(all.slice(0, 0, 2).to_vector<float>(), Each(1.0f));
      EXPECT_THAT(all.slice(0, 19, 21).to_vector<float>(), Each(1.0f));
    });
  }
}

TrainingJob::Result train_on(int size, const TrainingJob& job) {
  std::vector<TrainingJob::Result> results(static_cast<std::size_t>(size));
  on_every_rank(size, [&](Communicator& ranks) {
    results[static_cast<std::size_t>(ranks.rank())] = job.train(ranks);
  });
  for (const auto& result : results) EXPECT_EQ(result.parameters, results[0].parameters);
  return results[0];
}

class ShardTest : public ::testing::TestWithParam<std::tuple<Shard, int>> {
 protected:
  Shard shard() const { return std::get<0>(GetParam()); }
  int ranks() const { return std::get<1>(GetParam()); }
  DataParallelOptions options(bool overlap = true) const {
    return {.shard = shard(), .bucket_bytes = 128, .overlap = overlap};
  }
};

TEST_P(ShardTest, UnclippedStepsMatchUnshardedBitwise) {
  for (const DType precision : {DType::float32, DType::bfloat16}) {
    TrainingJob job{.precision = precision, .max_gradient_norm = 0.0};
    const auto expected = train_on(ranks(), job);
    for (const bool overlap : {true, false}) {
      job.options = options(overlap);
      const auto result = train_on(ranks(), job);
      EXPECT_EQ(result.losses, expected.losses);
      EXPECT_EQ(result.parameters, expected.parameters);
    }
  }
}

TEST_P(ShardTest, ClippingUsesTheNormOfAllShards) {
  TrainingJob job{.max_gradient_norm = 0.1};
  const auto expected = train_on(ranks(), job);
  job.options = options();
  const auto result = train_on(ranks(), job);
  EXPECT_THAT(result.losses, Pointwise(DoubleNear(1e-6), expected.losses));
  EXPECT_THAT(result.parameters, Pointwise(FloatNear(1e-6f), expected.parameters));
}

TEST_P(ShardTest, MicroBatchesAddUpToTheBatch) {
  const auto expected = TrainingJob().train(*alone());
  for (const int micro_batches : {2, 3}) {
    const auto result = train_on(ranks(), {.options = options(), .micro_batches = micro_batches});
    EXPECT_THAT(result.losses, Pointwise(DoubleNear(1e-6), expected.losses));
    EXPECT_THAT(result.parameters, Pointwise(FloatNear(1e-5f), expected.parameters));
  }
}

// Rank r has r micro-batches of 6 samples in each step except the last, which has none. A single
// rank has those of `size` ranks.
std::vector<float> train_unevenly(Communicator& ranks, int size,
                                  const DataParallelOptions& options) {
  random_context().seed = 1;
  nn::Mlp model({kFeatures, 16, kClasses});
  optim::Sgd optimizer(model.parameters(), {.learning_rate = 0.1});
  DataParallel parallel(model, optimizer, ranks, options);
  const auto micro_batch = [&](int64_t begin) {
    parallel.backward(
        model.loss(features().slice(0, begin, begin + 6), targets().slice(0, begin, begin + 6)),
        DataParallel::Accumulate::more);
  };
  for (int step = 0; step < 4; ++step) {
    for (int rank = 0; rank < size && step < 3; ++rank) {
      const bool is_mine = ranks.size() == 1 || rank == ranks.rank();
      for (int i = 0; is_mine && i < rank; ++i) micro_batch(6 * i);
    }
    parallel.backward();
    parallel.step();
  }
  return model.parameters().values().flat().to_vector<float>();
}

TEST_P(ShardTest, RanksMayHaveDifferentNumbersOfMicroBatchesOrNone) {
  const auto expected = train_unevenly(*alone(), ranks(), {});
  on_every_rank(ranks(), [&](Communicator& ranks) {
    EXPECT_THAT(train_unevenly(ranks, ranks.size(), options()),
                Pointwise(FloatNear(1e-5f), expected));
  });
}

TEST_P(ShardTest, AFrozenParameterStaysUnchanged) {
  on_every_rank(ranks(), [&](Communicator& ranks) {
    nn::Mlp model({kFeatures, 16, kClasses});
    Tensor frozen = model.parameters().tensors()[0];
    frozen.set_requires_gradient(false);
    optim::AdamW optimizer(model.parameters(), {.weight_decay = 0.5});
    DataParallel parallel(model, optimizer, ranks, options());
    const auto before = frozen.to_vector<float>();
    for (int step = 0; step < 3; ++step) {
      parallel.backward(model.loss(features(), targets()));
      parallel.step();
    }
    EXPECT_EQ(frozen.to_vector<float>(), before);
  });
}

TEST_P(ShardTest, ASteadyStepAllocatesNothing) {
  on_every_rank(ranks(), [&](Communicator& ranks) {
    nn::Mlp model({kFeatures, 16, 8, kClasses});
    optim::AdamW optimizer(model.parameters());
    DataParallel parallel(model, optimizer, ranks, options());
    const Tensor x = features(), y = targets();
    const auto step = [&] {
      parallel.backward(model.loss(x, y), DataParallel::Accumulate::more);
      parallel.backward(model.loss(x, y));
      parallel.step();
    };
    EXPECT_EQ(least_allocations_of(ranks, step), 0);
  });
}

TEST_P(ShardTest, AnOptimizerThrowsAfterShardingEndedUntilShardedAgain) {
  on_every_rank(ranks(), [&](Communicator& ranks) {
    nn::Mlp model({kFeatures, 16, kClasses});
    optim::AdamW optimizer(model.parameters());
    const auto step = [&] {
      DataParallel parallel(model, optimizer, ranks, options());
      parallel.backward(model.loss(features(), targets()));
      parallel.step();
    };
    step();
    if (shard() != Shard::none) {
      EXPECT_THROW(optimizer.step(), Error);
      EXPECT_THROW(DataParallel(model, optimizer, ranks), Error);
    }
    step();
    EXPECT_EQ(optimizer.steps_taken(), 2);
  });
}

TEST_P(ShardTest, ModulesUnusedByOneRankGetTheOthersGradients) {
  on_every_rank(ranks(), [&](Communicator& ranks) {
    struct Two final : nn::Module {
      nn::Linear first{2, 2, {.bias = false}}, second{2, 2, {.bias = false}};
      Two() {
        add("first", first);
        add("second", second);
      }
    } model;
    optim::Sgd optimizer(model.parameters(), {.learning_rate = 1.0});
    DataParallel parallel(model, optimizer, ranks, {.shard = shard(), .bucket_bytes = 1});
    const auto before = model.second.weight().to_vector<float>();
    for (int step = 0; step < 3; ++step) {
      const nn::Linear& used = ranks.rank() == 0 ? model.second : model.first;
      parallel.backward({sum(used(Tensor::full({1, 2}, 1.0))), Tensor::full({}, 1.0)});
      parallel.step();
    }
    const auto after = model.second.weight().to_vector<float>();
    const float change = 3.0f / static_cast<float>(ranks.size());
    for (std::size_t i = 0; i < after.size(); ++i) EXPECT_NEAR(after[i], before[i] - change, 1e-5);
  });
}

TEST_P(ShardTest, ARankThatFailsInAStepMakesTheOthersFailAndNameTheGradients) {
  const auto job = [&](Communicator& ranks) {
    nn::Mlp model({kFeatures, 16, kClasses});
    optim::AdamW optimizer(model.parameters());
    DataParallel parallel(model, optimizer, ranks, options());
    for (int step = 0; step < 10; ++step) {
      parallel.backward(model.loss(features(), targets()));
      if (step == 5 && ranks.rank() == 1) return;
      parallel.step();
    }
  };
  try {
    on_every_rank(ranks(), job);
    ADD_FAILURE() << "no rank threw";
  } catch (const CommunicationFailure& failure) {
    EXPECT_THAT(failure.what(), ::testing::AnyOf(::testing::StartsWith("norm of the gradients: "),
                                                 ::testing::StartsWith("gradients of "),
                                                 ::testing::StartsWith("loss of a step: ")));
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, ShardTest,
                         ::testing::Combine(::testing::Values(Shard::none, Shard::optimizer,
                                                              Shard::gradients),
                                            ::testing::Values(2, 3, 4)));

TEST(Sharding, OneRankHasNone) {
  const auto ranks = alone();
  Counts counts;
  Counted counted(*ranks, counts);
  nn::Mlp model({kFeatures, 16, kClasses});
  optim::AdamW optimizer(model.parameters());
  DataParallel parallel(model, optimizer, counted, {.shard = Shard::gradients});
  EXPECT_FALSE(optimizer.is_sharded());
}

TEST(Sharding, InvalidUseIsRejected) {
  const auto ranks = alone();
  nn::Mlp model({kFeatures, 16, kClasses});
  optim::AdamW optimizer(model.parameters());
  for (const DataParallelOptions& options :
       {DataParallelOptions{.shard = Shard::optimizer, .slots = 8},
        DataParallelOptions{.shard = Shard::gradients, .diloco = {.steps = 3}},
        DataParallelOptions{.shard = Shard::gradients, .power_sgd_rank = 2}}) {
    EXPECT_THROW(DataParallel(model, optimizer, *ranks, options), ConfigurationError);
  }
}

TEST(Sharding, WorksWithBfloat16WireAndPowerSgd) {
  for (DataParallelOptions options :
       {DataParallelOptions{.wire = DType::bfloat16}, DataParallelOptions{.power_sgd_rank = 2}}) {
    options.bucket_bytes = 128;
    TrainingJob job{.options = options, .max_gradient_norm = 0.0};
    const auto expected = train_on(3, job);
    job.options.shard = Shard::optimizer;
    EXPECT_EQ(train_on(3, job).losses, expected.losses);
    if (options.power_sgd_rank > 0) continue;
    job.options.shard = Shard::gradients;
    EXPECT_EQ(train_on(3, job).losses, expected.losses);
  }
}

TEST(Sharding, ShardsStateThatExistsAlready) {
  const auto losses = [](Shard later) {
    std::vector<double> result;
    on_every_rank(3, [&](Communicator& ranks) {
      nn::Mlp model({kFeatures, 16, kClasses});
      optim::Sgd optimizer(model.parameters(), {.learning_rate = 0.1, .momentum = 0.9});
      for (const Shard shard : {Shard::none, later}) {
        DataParallel parallel(model, optimizer, ranks, {.shard = shard, .bucket_bytes = 128});
        for (int step = 0; step < 3; ++step) {
          parallel.backward(model.loss(features(), targets()));
          parallel.step();
          if (ranks.rank() == 0) result.push_back(parallel.loss().mean());
        }
      }
    });
    return result;
  };
  EXPECT_EQ(losses(Shard::optimizer), losses(Shard::none));
}

}  // namespace
}  // namespace ripieno::distributed::testing
