#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "distributed/allocations.h"
#include "distributed/on_every_rank.h"
#include "distributed/strategies/strict_job.h"
#include "distributed/training_job.h"
#include "ripieno/core/error.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/sgd.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::AllOf;
using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::ThrowsMessage;

StrictJob::Result train_on(int size, const StrictJob& job) {
  StrictJob::Result result;
  on_every_rank(size, [&](Communicator& ranks) {
    auto mine = job.train(ranks);
    if (ranks.rank() == ranks.size() - 1) result = std::move(mine);
  });
  return result;
}

void expect_equal_on_all(const StrictJob& job, const std::vector<int>& sizes) {
  const auto expected = job.train(*alone());
  EXPECT_LT(expected.losses.back(), expected.losses.front());
  for (const int size : sizes) {
    EXPECT_TRUE(train_on(size, job) == expected) << size << " ranks, " << job.slots << " slots";
  }
}

TEST(Strict, ResultsAreBitwiseEqualOnAnyNumberOfRanks) { expect_equal_on_all({}, {2, 3, 4, 5, 8}); }

TEST(Strict, ResultsAreBitwiseEqualIfSlotsAreNotAPowerOfTwo) {
  expect_equal_on_all({.slots = 6}, {2, 3, 4, 5, 6});
  expect_equal_on_all({.slots = 3}, {2, 3});
}

TEST(Strict, ResultsAreBitwiseEqualInBfloat16) {
  expect_equal_on_all({.dtype = DType::bfloat16}, {2, 3, 4, 8});
}

TEST(Strict, ResultsAreBitwiseEqualOnAnyNumberOfThreads) {
  const auto expected = StrictJob().train(*alone());
  for (const int threads : {2, 3, 8, 20}) {
    EXPECT_TRUE(StrictJob{.threads = threads}.train(*alone()) == expected) << threads;
    EXPECT_TRUE(train_on(3, {.threads = threads}) == expected) << threads << " on 3 ranks";
  }
}

TEST(Strict, StepsMatchOneWholeBatchExceptForRounding) {
  const auto expected = StrictJob{.slots = 1}.train(*alone());
  const auto result = StrictJob().train(*alone());
  EXPECT_THAT(result.losses, Pointwise(DoubleNear(1e-4), expected.losses));
  EXPECT_THAT(result.norms, Pointwise(DoubleNear(1e-4), expected.norms));
}

// A model with one number; its loss is a weight of the row times that number.
struct Number final : nn::Module {
  nn::Linear only{1, 1, {.bias = false}}, unused{1, 1, {.bias = false}};
  Number() {
    add("only", only);
    add("unused", unused);
  }
  Loss loss(double weight) const {
    return {sum(only(Tensor::full({1, 1}, weight))), Tensor::full({}, 1.0)};
  }
};

// The arguments of loss_of for each slot.
struct Seen {
  std::mutex mutex;
  std::vector<std::pair<int64_t, int64_t>> rows;
  std::vector<int64_t> first_rows;
};

TEST(Strict, ASlotIsComputedAsAWholeWithItsFirstRow) {
  Number model;
  optim::Sgd optimizer(model.parameters());
  const auto ranks = alone();
  kernels::set_cpu_threads(2);
  DataParallel parallel(model, optimizer, *ranks, {.slots = 4});
  Seen seen;
  random_context().first_row = 100;
  parallel.backward(8, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(seen.mutex);
    seen.rows.emplace_back(begin, end);
    seen.first_rows.push_back(random_context().first_row - begin);
    EXPECT_EQ(kernels::cpu_threads(), 1);
    return model.loss(1.0);
  });
  parallel.step();
  EXPECT_THAT(seen.rows, ::testing::UnorderedElementsAre(std::pair(0, 2), std::pair(2, 4),
                                                         std::pair(4, 6), std::pair(6, 8)));
  EXPECT_THAT(seen.first_rows, ::testing::Each(100));
  EXPECT_EQ(random_context().first_row, 100);
  EXPECT_EQ(kernels::cpu_threads(), 2);
  kernels::set_cpu_threads(1);
  random_context() = {};
}

TEST(Strict, GradientsAreAddedInTheOrderOfTheTree) {
  // In float32, ((a + b) + c) + d is 1 here, but (a + b) + (c + d) is 0.
  const std::vector<double> weights = {1e8, 1.0, -1e8, 1.0};
  for (const int size : {1, 2, 4}) {
    on_every_rank(size, [&](Communicator& ranks) {
      Number model;
      const auto before = model.only.weight().to_vector<float>()[0];
      optim::Sgd optimizer(model.parameters(), {.learning_rate = 4.0});  // the loss counts 4
      DataParallel parallel(model, optimizer, ranks, {.slots = 4});
      const int64_t own = 4 / ranks.size();
      parallel.backward(own, [&](int64_t begin, int64_t) {
        return model.loss(weights[static_cast<std::size_t>(own * ranks.rank() + begin)]);
      });
      parallel.step();
      const auto after = model.only.weight().to_vector<float>()[0];
      EXPECT_EQ(after, before) << ranks.size() << " ranks";
    });
  }
}

TEST(Strict, ModulesUnusedBySomeSlotsGetTheOthersGradients) {
  Number model;
  const auto ranks = alone();
  optim::Sgd optimizer(model.parameters(), {.learning_rate = 1.0});
  DataParallel parallel(model, optimizer, *ranks, {.slots = 2});
  const auto weights = [&] {
    return std::pair(model.only.weight().to_vector<float>()[0],
                     model.unused.weight().to_vector<float>()[0]);
  };
  for (int step = 0; step < 3; ++step) {  // gradients of earlier steps must not remain
    const auto before = weights();
    parallel.backward(2, [&](int64_t begin, int64_t) {
      const auto& part = begin == 0 ? model.only : model.unused;
      return Loss{sum(part(Tensor::full({1, 1}, 2.0))), Tensor::full({}, 1.0)};
    });
    parallel.step();
    EXPECT_FLOAT_EQ(weights().first, before.first - 1.0f);
    EXPECT_FLOAT_EQ(weights().second, before.second - 1.0f);
  }
}

TEST(Strict, InvalidCallsAreRejected) {
  Number model;
  const auto ranks = alone();
  optim::Sgd optimizer(model.parameters());
  DataParallel parallel(model, optimizer, *ranks, {.slots = 4});
  const auto one = [&](int64_t, int64_t) { return model.loss(1.0); };
  EXPECT_THAT([&] { parallel.backward(model.loss(1.0)); },
              ThrowsMessage<Error>(HasSubstr("call backward(rows, loss_of)")));
  EXPECT_THAT([&] { parallel.backward(6, one); },
              ThrowsMessage<Error>(HasSubstr("6 rows cannot be cut into 4 equal slots")));
  EXPECT_THROW(parallel.step(), Error);
  parallel.backward(4, one);
  EXPECT_THROW(parallel.backward(4, one), Error);
}

TEST(Strict, MoreRanksThanSlotsAreRejected) {
  const auto job = [](Communicator& ranks) { StrictJob{.slots = 2}.train(ranks); };
  EXPECT_THAT([&] { on_every_rank(3, job); },
              ThrowsMessage<ConfigurationError>(
                  AllOf(HasSubstr("parallel.slots is 2"), HasSubstr("parallel.slots=3"))));
}

TEST(Strict, DifferentNumbersOfSlotsAreDetected) {
  on_every_rank(3, [](Communicator& ranks) {
    EXPECT_THAT([&] { StrictJob{.slots = ranks.rank() == 1 ? 4 : 8}.train(ranks); },
                ThrowsMessage<ConfigurationError>(
                    AllOf(HasSubstr("rank 1 on "), HasSubstr("parallel.slots is 4"))));
    ranks.barrier();
  });
}

TEST(Strict, DifferentSlotSizesAreDetectedByAllRanks) {
  on_every_rank(2, [](Communicator& ranks) {
    Number model;
    optim::Sgd optimizer(model.parameters());
    DataParallel parallel(model, optimizer, ranks, {.slots = 2});
    parallel.backward(1 + ranks.rank(), [&](int64_t, int64_t) { return model.loss(1.0); });
    EXPECT_THAT([&] { parallel.step(); }, ThrowsMessage<Error>(HasSubstr("slot 1 has 2 rows")));
  });
}

TEST(Strict, ASlotThatThrowsEndsTheStepButNotTheNext) {
  Number model;
  const auto ranks = alone();
  optim::Sgd optimizer(model.parameters(), {.learning_rate = 1.0});
  kernels::set_cpu_threads(3);
  DataParallel parallel(model, optimizer, *ranks, {.slots = 16});
  kernels::set_cpu_threads(1);
  const auto before = model.only.weight().to_vector<float>()[0];
  EXPECT_THROW(parallel.backward(16,
                                 [&](int64_t begin, int64_t) {
                                   if (begin == 5) throw DataError("a bad sample");
                                   return model.loss(1.0);
                                 }),
               DataError);
  parallel.backward(16, [&](int64_t, int64_t) { return model.loss(2.0); });
  parallel.step();
  EXPECT_FLOAT_EQ(model.only.weight().to_vector<float>()[0], before - 2.0f);
}

TEST(Strict, ALostRankIsReportedWithTheGradients) {
  on_every_rank(3, [](Communicator& ranks) {
    Number model;
    optim::Sgd optimizer(model.parameters());
    DataParallel parallel(model, optimizer, ranks, {.slots = 3});
    if (ranks.rank() == 2) return;  // leaves
    parallel.backward(1, [&](int64_t, int64_t) { return model.loss(1.0); });
    EXPECT_THAT([&] { parallel.step(); }, ThrowsMessage<CommunicationFailure>(HasSubstr(
                                              "gradients of only.weight to unused.weight: ")));
  });
}

TEST(Strict, DescribesItself) {
  on_every_rank(3, [](Communicator& ranks) {
    Number model;
    optim::Sgd optimizer(model.parameters());
    const DataParallel strict(model, optimizer, ranks, {.slots = 8}),
        plain(model, optimizer, ranks);
    EXPECT_THAT(strict.description(),
                HasSubstr("strict mode: 8 slots, 2 or 3 per rank, 1 computed at once, "));
    EXPECT_EQ(plain.description(), "");
    ranks.barrier();
  });
}

int64_t bytes_of_slots(DataParallel& parallel) {
  for (const auto& line : parallel.memory_report().lines) {
    if (line.what == "gradients of slots") return line.bytes;
  }
  return -1;
}

TEST(Strict, ReportsItsMemory) {
  Number model;
  optim::Sgd optimizer(model.parameters());
  const auto ranks = alone();
  DataParallel plain(model, optimizer, *ranks), strict(model, optimizer, *ranks, {.slots = 8});
  EXPECT_EQ(bytes_of_slots(plain), -1);
  // One thread and at most ((0 1)(2 3)), (4 5) and 6 that wait; one set is the parameters'
  // gradients.
  EXPECT_EQ(bytes_of_slots(strict), 3 * model.parameters().gradients().bytes());
}

TEST(Strict, ASteadyStepAllocatesNothing) {
  on_every_rank(3, [](Communicator& ranks) {
    kernels::set_cpu_threads(2);
    nn::Mlp model({kFeatures, 16, 8, kClasses});
    optim::AdamW optimizer(model.parameters());
    DataParallel parallel(model, optimizer, ranks, {.bucket_bytes = 128, .slots = 8});
    const Tensor x = features(), y = targets();
    const SlotRange own = slots_of(ranks.rank(), ranks.size(), 8);
    const auto step = [&] {
      parallel.backward(own.count(), [&](int64_t begin, int64_t end) {
        return model.loss(x.slice(0, begin, end), y.slice(0, begin, end));
      });
      parallel.step();
    };
    EXPECT_EQ(least_allocations_of(ranks, step), 0);
  });
}

}  // namespace
}  // namespace ripieno::distributed::testing
