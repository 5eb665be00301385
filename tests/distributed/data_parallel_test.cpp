#include "ripieno/distributed/data_parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "distributed/allocations.h"
#include "distributed/counted.h"
#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"
#include "ripieno/core/error.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/sgd.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::DoubleNear;
using ::testing::FloatNear;
using ::testing::Pointwise;

std::vector<TrainingJob::Result> train_on(int size, const TrainingJob& job) {
  std::vector<TrainingJob::Result> results(static_cast<std::size_t>(size));
  on_every_rank(size, [&](Communicator& ranks) {
    results[static_cast<std::size_t>(ranks.rank())] = job.train(ranks);
  });
  return results;
}

void expect_near(const TrainingJob::Result& result, const TrainingJob::Result& expected) {
  EXPECT_THAT(result.losses, Pointwise(DoubleNear(1e-6), expected.losses));
  EXPECT_THAT(result.parameters, Pointwise(FloatNear(1e-5f), expected.parameters));
}

TEST(DataParallel, StepsMatchOneRankOnTheWholeBatch) {
  const auto expected = TrainingJob().train(*alone());
  EXPECT_LT(expected.losses.back(), expected.losses.front());
  for (const int size : {2, 3, 5}) expect_near(train_on(size, {})[0], expected);
}

TEST(DataParallel, RanksStayBitwiseEqual) {
  const auto results = train_on(3, {});
  EXPECT_EQ(results[1].parameters, results[0].parameters);
  EXPECT_EQ(results[2].parameters, results[0].parameters);
  EXPECT_EQ(results[2].losses, results[0].losses);
}

TEST(DataParallel, OverlapAndBucketSizeDoNotChangeResults) {
  const auto expected = train_on(3, {})[0];
  for (const DataParallelOptions& options :
       {DataParallelOptions{.bucket_bytes = 128, .overlap = false}, DataParallelOptions{}}) {
    EXPECT_EQ(train_on(3, {.options = options})[0].parameters, expected.parameters);
  }
}

TEST(DataParallel, MicroBatchesAddUpToTheBatch) {
  const auto expected = TrainingJob().train(*alone());
  for (const int size : {1, 3}) expect_near(train_on(size, {.micro_batches = 3})[0], expected);
}

TEST(DataParallel, MicroBatchesCommunicateOncePerStep) {
  for (const int micro_batches : {1, 4}) {
    Counts counts;
    on_every_rank(2, [&](Communicator& inner) {
      Counted ranks(inner, counts);
      TrainingJob{.options = {}, .micro_batches = micro_batches, .steps = 3}.train(ranks);
    });
    EXPECT_EQ(counts.all_reduces, 2 * (1 + 3 * 2))
        << "2 ranks; initial state, and loss and one bucket per step";
  }
}

TEST(DataParallel, OneRankCommunicatesNothing) {
  Counts counts;
  const auto inner = alone();
  Counted ranks(*inner, counts);
  TrainingJob().train(ranks);
  EXPECT_EQ(counts.all_reduces + counts.duplicates + counts.others, 0);
}

TEST(DataParallel, WithoutOverlapNothingIsDuplicated) {
  Counts counts;
  on_every_rank(2, [&](Communicator& inner) {
    Counted ranks(inner, counts);
    TrainingJob{.options = {.overlap = false}}.train(ranks);
  });
  EXPECT_EQ(counts.duplicates, 0);
}

// A model of which only some modules are used.
struct Parts final : nn::Module {
  nn::Linear first{2, 2, {.bias = false}}, second{2, 2, {.bias = false}};
  nn::Linear third{2, 2, {.bias = false}};
  Parts() {
    add("first", first);
    add("second", second);
    add("third", third);
  }
};

std::vector<float> step_of_parts(Communicator& ranks, Parts& parts,
                                 const std::vector<const nn::Linear*>& used, int steps = 1) {
  optim::Sgd optimizer(parts.parameters(), {.learning_rate = 1.0});
  DataParallel parallel(parts, optimizer, ranks, {.bucket_bytes = 1});
  for (int step = 0; step < steps; ++step) {
    Tensor x = Tensor::full({1, 2}, 1.0);
    for (const nn::Linear* part : used) x = (*part)(x);
    parallel.backward({sum(x), Tensor::full({}, 1.0)});
    parallel.step();
  }
  return parts.parameters().values().flat().to_vector<float>();
}

TEST(DataParallel, StateThatOnlyOneRankHasAllocatedIsBroadcast) {
  on_every_rank(3, [](Communicator& ranks) {
    Parts parts;
    optim::AdamW optimizer(parts.parameters());
    Arena& moment = *optimizer.state().front().arena;
    if (ranks.rank() == 2) moment.flat().fill(1.0);
    const DataParallel parallel(parts, optimizer, ranks);
    EXPECT_THAT(moment.flat().to_vector<float>(), ::testing::Each(0.0f));
    EXPECT_FALSE(optimizer.state().back().arena->has_memory()) << "not allocated on any rank";
  });
}

TEST(DataParallel, StepsTakenLossScaleAndLearningRateAreBroadcast) {
  for (const bool scales_loss : {false, true}) {
    on_every_rank(3, [&](Communicator& ranks) {
      Parts parts;
      optim::AdamW optimizer(parts.parameters(), {.scales_loss = scales_loss});
      const auto rank = static_cast<float>(ranks.rank());
      optimizer.set_loss_scale_state(
          {.scale = 8 + rank, .good_steps = 3 + ranks.rank(), .steps = 40 + ranks.rank()});
      optimizer.set_learning_rate(0.5 + rank);
      const DataParallel parallel(parts, optimizer, ranks);
      EXPECT_EQ(optimizer.steps_taken(), 40);
      EXPECT_EQ(optimizer.learning_rate(), 0.5);
      EXPECT_EQ(optimizer.loss_scale_state().scale, scales_loss ? 8.0f : 1.0f);
      EXPECT_EQ(optimizer.loss_scale_state().good_steps, scales_loss ? 3 : 0);
    });
  }
}

// A model whose loss() updates a buffer.
struct Counting final : nn::Module {
  nn::Linear layer{2, 2};
  Tensor mean;
  explicit Counting(int64_t buffer_elements = 3) : mean(add_buffer("mean", {buffer_elements})) {
    add("layer", layer);
  }
  Loss loss(double value) const {
    update_buffer(mean, Tensor::full({mean.elements()}, value), 0.5);
    return {sum(layer(Tensor::full({1, 2}, value))), Tensor::full({}, 1.0)};
  }
};

TEST(DataParallel, BuffersAreBroadcastFromRankZero) {
  on_every_rank(3, [](Communicator& ranks) {
    Counting model;
    model.buffers().flat().fill(4.0 + ranks.rank());
    optim::Sgd optimizer(model.parameters());
    const DataParallel parallel(model, optimizer, ranks);
    EXPECT_THAT(model.mean.to_vector<float>(), ::testing::Each(4.0f));
  });
}

TEST(DataParallel, SynchronizingBroadcastsBuffers) {
  for (const DataParallelOptions& options :
       {DataParallelOptions{}, DataParallelOptions{.shard = Shard::gradients},
        DataParallelOptions{.diloco = {.steps = 2}}}) {
    on_every_rank(3, [&](Communicator& ranks) {
      Counting model;
      optim::Sgd optimizer(model.parameters());
      DataParallel parallel(model, optimizer, ranks, options);
      float expected = 0;
      for (const bool synchronizes_all : {false, true}) {
        const float mine = model.mean.to_vector<float>()[0] / 2 + static_cast<float>(ranks.rank());
        parallel.backward(model.loss(2.0 * ranks.rank() + 8 * synchronizes_all));
        parallel.step();
        EXPECT_EQ(model.mean.to_vector<float>()[0], mine + 4 * synchronizes_all) << "local value";
        EXPECT_FALSE(parallel.buffers_are_equal());
        synchronizes_all ? parallel.synchronize() : parallel.synchronize_parameters();
        expected = expected / 2 + 4 * synchronizes_all;
        EXPECT_THAT(model.mean.to_vector<float>(), ::testing::Each(expected));
        EXPECT_TRUE(parallel.buffers_are_equal());
      }
    });
  }
}

TEST(DataParallel, RanksWhoseBuffersDifferInShapeAreNamed) {
  on_every_rank(3, [](Communicator& ranks) {
    Counting model(ranks.rank() == 1 ? 4 : 3);
    optim::Sgd optimizer(model.parameters());
    EXPECT_THAT([&] { DataParallel(model, optimizer, ranks); },
                ::testing::ThrowsMessage<ConfigurationError>(
                    ::testing::HasSubstr("buffer mean is (4), rank 0 on ")));
  });
}

TEST(DataParallel, StrictModeUpdatesBuffersInTheOrderOfSlots) {
  for (const int size : {1, 2, 4}) {
    on_every_rank(size, [size](Communicator& ranks) {
      Counting model;
      optim::Sgd optimizer(model.parameters());
      DataParallel parallel(model, optimizer, ranks, {.slots = 4});
      const int64_t rows = 4 / size, first = rows * ranks.rank();
      parallel.backward(rows, [&](int64_t begin, int64_t) {
        return model.loss(static_cast<double>(first + begin));
      });
      parallel.step();
      // Slot s moves the buffer halfway to s: 0, 0.5, 1.25, 2.125.
      EXPECT_THAT(model.mean.to_vector<float>(), ::testing::Each(2.125f));
    });
  }
}

TEST(DataParallel, TheFirstRowIsRestoredAfterALossThatThrows) {
  const auto ranks = alone();
  for (const int slots : {0, 2}) {
    Parts parts;
    optim::Sgd optimizer(parts.parameters());
    DataParallel parallel(parts, optimizer, *ranks, {.micro_batch_size = 2, .slots = slots});
    random_context().first_row = 5;
    const auto loss_of = [](int64_t begin, int64_t) -> Loss {
      if (begin == 2) throw DataError("a bad row");
      return {Tensor::full({}, 1.0).set_requires_gradient(), Tensor::full({}, 1.0)};
    };
    EXPECT_THROW(parallel.backward(4, loss_of), Error);
    EXPECT_EQ(random_context().first_row, 5);
    random_context().first_row = 0;
  }
}

TEST(DataParallel, ModulesUnusedByOneRankGetTheOthersGradients) {
  on_every_rank(2, [](Communicator& ranks) {
    Parts parts;
    const auto before = parts.third.weight().to_vector<float>();
    using Used = std::vector<const nn::Linear*>;
    step_of_parts(ranks, parts, ranks.rank() == 0 ? Used{&parts.third} : Used{&parts.first}, 3);
    const auto after = parts.third.weight().to_vector<float>();
    for (std::size_t i = 0; i < after.size(); ++i) EXPECT_FLOAT_EQ(after[i], before[i] - 1.5f);
  });
}

TEST(DataParallel, ModulesUnusedByAllRanksStayUnchanged) {
  on_every_rank(2, [](Communicator& ranks) {
    Parts parts;
    const auto before = parts.second.weight().to_vector<float>();
    step_of_parts(ranks, parts, {&parts.first, &parts.third}, 3);
    EXPECT_EQ(parts.second.weight().to_vector<float>(), before);
    EXPECT_NE(parts.first.weight().to_vector<float>(), before);
  });
}

TEST(DataParallel, FrozenModulesStayUnchanged) {
  on_every_rank(2, [](Communicator& ranks) {
    Parts parts;
    Tensor frozen = parts.parameters()["second.weight"];
    frozen.set_requires_gradient(false);
    const auto before = frozen.to_vector<float>();
    step_of_parts(ranks, parts, {&parts.first, &parts.second, &parts.third}, 3);
    EXPECT_EQ(frozen.to_vector<float>(), before);
    EXPECT_NE(parts.first.weight().to_vector<float>(), before);
  });
}

TEST(DataParallel, TheModelMayOutliveDataParallel) {
  on_every_rank(2, [](Communicator& ranks) {
    Parts parts;
    step_of_parts(ranks, parts, {&parts.first});
    EXPECT_NO_THROW(sum(parts.first(Tensor::full({1, 2}, 1.0))).backward());
  });
}

TEST(DataParallel, ALossWithoutTargetsDoesNotChangeParameters) {
  on_every_rank(2, [](Communicator& ranks) {
    nn::Mlp model({kFeatures, kClasses});
    optim::Sgd optimizer(model.parameters(), {.learning_rate = 1.0});
    DataParallel parallel(model, optimizer, ranks);
    const auto before = model.parameters().values().flat().to_vector<float>();
    parallel.backward(model.loss(features().slice(0, 4, 5), targets().slice(0, 4, 5)));
    parallel.step();
    EXPECT_EQ(parallel.loss().count.item(), 0.0);
    EXPECT_EQ(model.parameters().values().flat().to_vector<float>(), before);
  });
}

// The last of three ranks has no rows: it passes 0 rows, or a loss of an empty batch.
TEST(DataParallel, ARankWithoutRowsTakesPart) {
  const auto train = [](Communicator& ranks, bool has_empty_loss) {
    random_context().seed = 1;
    nn::Mlp model({kFeatures, kClasses});
    optim::Sgd optimizer(model.parameters(), {.learning_rate = 0.1});
    DataParallel parallel(model, optimizer, ranks);
    for (int step = 0; step < 3; ++step) {
      const int64_t begin = std::min<int64_t>(ranks.rank(), 2);
      const int64_t end = ranks.size() == 1 ? 2 : std::min<int64_t>(begin + 1, 2);
      const auto loss_of = [&](int64_t from, int64_t to) {
        return model.loss(features().slice(0, from, to), targets().slice(0, from, to));
      };
      if (has_empty_loss) {
        parallel.backward(loss_of(begin, end));
      } else {
        parallel.backward(end - begin, [&](int64_t from, int64_t to) {
          return loss_of(begin + from, begin + to);
        });
      }
      parallel.step();
    }
    return model.parameters().values().flat().to_vector<float>();
  };
  const auto expected = train(*alone(), false);
  for (const bool has_empty_loss : {false, true}) {
    on_every_rank(3, [&](Communicator& ranks) {
      EXPECT_THAT(train(ranks, has_empty_loss), Pointwise(FloatNear(1e-6f), expected));
    });
  }
}

TEST(DataParallel, TheOrderOfCallsIsChecked) {
  nn::Mlp model({kFeatures, kClasses}), other({kFeatures, kClasses});
  optim::Sgd optimizer(model.parameters());
  const auto ranks = alone();
  EXPECT_THROW(DataParallel(other, optimizer, *ranks), Error);
  DataParallel parallel(model, optimizer, *ranks);
  EXPECT_THROW(parallel.step(), Error);
  parallel.backward(model.loss(features(), targets()));
  EXPECT_THROW(parallel.backward(model.loss(features(), targets())), Error);
}

TEST(DataParallel, ARankThatFailsInAStepMakesTheOthersFail) {
  const auto job = [](Communicator& ranks) {
    nn::Mlp model({kFeatures, 16, kClasses});
    optim::Sgd optimizer(model.parameters());
    DataParallel parallel(model, optimizer, ranks, {.bucket_bytes = 1});
    for (int step = 0; step < 10; ++step) {
      if (step == 5 && ranks.rank() == 1) throw DataError("a bad sample");
      parallel.backward(model.loss(features(), targets()));
      parallel.step();
    }
  };
  EXPECT_THROW(on_every_rank(3, job), DataError);
}

TEST(DataParallel, ASteadyStepAllocatesNothing) {
  on_every_rank(2, [](Communicator& ranks) {
    nn::Mlp model({kFeatures, 16, 8, kClasses});
    optim::AdamW optimizer(model.parameters());
    DataParallel parallel(model, optimizer, ranks, {.bucket_bytes = 128});
    const Tensor x = features(), y = targets();
    const auto step = [&] {
      parallel.backward(model.loss(x, y), DataParallel::Accumulate::more);
      parallel.backward(model.loss(x, y));
      parallel.step();
    };
    EXPECT_EQ(least_allocations_of(ranks, step), 0);
  });
}

}  // namespace
}  // namespace ripieno::distributed::testing
