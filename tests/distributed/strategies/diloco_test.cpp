#include "ripieno/distributed/strategies/diloco.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "distributed/allocations.h"
#include "distributed/counted.h"
#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"
#include "ripieno/core/autograd.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;

constexpr DilocoOptions kOuter{.steps = 3, .outer_learning_rate = 0.6, .outer_momentum = 0.8};

struct Rows {
  Tensor x, y;
  Rows(int rank, int size) {
    const int64_t begin = kSamples * rank / size, end = kSamples * (rank + 1) / size;
    x = features().slice(0, begin, end);
    y = targets().slice(0, begin, end);
  }
};

// One rank's model with its optimizer.
struct Trainee {
  nn::Mlp model{{kFeatures, 16, 8, kClasses}};
  optim::AdamW optimizer{model.parameters(), {.learning_rate = 0.01, .max_gradient_norm = 1.0}};

  Tensor values() { return model.parameters().values().flat(); }
  std::vector<float> numbers() { return values().to_vector<float>(); }
  std::vector<std::vector<float>> state() {
    std::vector<std::vector<float>> all = {numbers()};
    for (const auto& state : optimizer.state())
      all.push_back(state.arena->flat().to_vector<float>());
    return all;
  }
  void set_state(const std::vector<std::vector<float>>& all) {
    const NoGrad no_grad;
    std::size_t next = 0;
    values().copy_from(Tensor::of(values().shape(), all[next]));
    for (const auto& state : optimizer.state()) {
      state.arena->flat().copy_from(Tensor::of(values().shape(), all[++next]));
    }
  }
};

DataParallelOptions options(const DilocoOptions& diloco = kOuter) {
  return {.bucket_bytes = 128, .diloco = diloco};
}

void train(Trainee& trainee, DataParallel& parallel, const Rows& rows, int steps) {
  for (int step = 0; step < steps; ++step) {
    parallel.backward(trainee.model.loss(rows.x, rows.y));
    parallel.step();
  }
}

// Reference implementation in one thread: trains each rank's model in turn, and takes the outer
// step in float64. Returns the parameters.
std::vector<double> reference_parameters(int size, int rounds) {
  random_context().seed = 0;
  std::vector<std::unique_ptr<Trainee>> ranks;
  for (int rank = 0; rank < size; ++rank) ranks.push_back(std::make_unique<Trainee>());
  const auto start = ranks[0]->numbers();
  std::vector<double> anchor(start.begin(), start.end()), velocity(start.size());
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> difference(start.size());
    for (int rank = 0; rank < size; ++rank) {
      Trainee& mine = *ranks[static_cast<std::size_t>(rank)];
      const NoGrad no_grad;
      mine.values().copy_from(
          Tensor::of(mine.values().shape(), std::vector<float>(anchor.begin(), anchor.end())));
    }
    for (int rank = 0; rank < size; ++rank) {
      Trainee& mine = *ranks[static_cast<std::size_t>(rank)];
      const Rows rows(rank, size);
      for (int64_t step = 0; step < kOuter.steps; ++step) {
        const Loss loss = mine.model.loss(rows.x, rows.y);
        loss.sum.backward();
        mine.optimizer.step(loss.count);
      }
      const auto now = mine.numbers();
      for (std::size_t i = 0; i < difference.size(); ++i)
        difference[i] += (anchor[i] - now[i]) / size;
    }
    for (std::size_t i = 0; i < difference.size(); ++i) {
      velocity[i] = kOuter.outer_momentum * velocity[i] + difference[i];
      anchor[i] -=
          kOuter.outer_learning_rate * (difference[i] + kOuter.outer_momentum * velocity[i]);
    }
  }
  return anchor;
}

TEST(Diloco, MatchesAReferenceImplementation) {
  for (const int size : {1, 2, 3, 4}) {
    const auto expected = reference_parameters(size, 4);
    on_every_rank(size, [&](Communicator& ranks) {
      random_context().seed = 0;
      Trainee mine;
      DataParallel parallel(mine.model, mine.optimizer, ranks, options());
      train(mine, parallel, Rows(ranks.rank(), size), 4 * static_cast<int>(kOuter.steps));
      EXPECT_THAT(mine.numbers(), Pointwise(FloatNear(2e-5f),
                                            std::vector<float>(expected.begin(), expected.end())));
    });
  }
}

TEST(Diloco, CommunicatesAtOuterStepsOnly) {
  Counts counts;
  on_every_rank(2, [&](Communicator& inner) {
    Counted ranks(inner, counts);
    Trainee mine;
    DataParallel parallel(mine.model, mine.optimizer, ranks,
                          {.bucket_bytes = 1 << 20, .diloco = kOuter});
    for (int step = 1; step <= 7; ++step) {
      train(mine, parallel, Rows(ranks.rank(), 2), 1);
      EXPECT_EQ(parallel.met(), step % 3 == 0);
    }
  });
  EXPECT_EQ(counts.all_reduces, 2 * (1 + 2))
      << "2 ranks; initial state, and one bucket per outer step";
}

TEST(Diloco, RanksAreEqualAfterOuterStepsOnly) {
  std::vector<std::vector<float>> between(2), after(2);
  on_every_rank(2, [&](Communicator& ranks) {
    const auto rank = static_cast<std::size_t>(ranks.rank());
    Trainee mine;
    DataParallel parallel(mine.model, mine.optimizer, ranks, options());
    train(mine, parallel, Rows(ranks.rank(), 2), 2);
    between[rank] = mine.numbers();
    train(mine, parallel, Rows(ranks.rank(), 2), 1);
    after[rank] = mine.numbers();
  });
  EXPECT_NE(between[0], between[1]);
  EXPECT_EQ(after[0], after[1]);
}

TEST(Diloco, SynchronizeMakesAllSavedStateEqual) {
  std::vector<std::vector<std::vector<float>>> before(3), after(3);
  on_every_rank(3, [&](Communicator& ranks) {
    const auto rank = static_cast<std::size_t>(ranks.rank());
    Trainee mine;
    DataParallel parallel(mine.model, mine.optimizer, ranks, options());
    train(mine, parallel, Rows(ranks.rank(), 3), 4);
    before[rank] = mine.state();
    parallel.synchronize();
    after[rank] = mine.state();
    const auto once = mine.state();
    parallel.synchronize();
    EXPECT_EQ(mine.state(), once) << "the second call must not change anything";
  });
  EXPECT_NE(before[0], before[1]);
  EXPECT_EQ(after[0], after[1]);
  EXPECT_EQ(after[0], after[2]);
}

TEST(Diloco, SynchronizeParametersKeepsTheMomentsOfEachRank) {
  std::vector<std::vector<std::vector<float>>> before(2), after(2);
  on_every_rank(2, [&](Communicator& ranks) {
    const auto rank = static_cast<std::size_t>(ranks.rank());
    Trainee mine;
    DataParallel parallel(mine.model, mine.optimizer, ranks, options());
    train(mine, parallel, Rows(ranks.rank(), 2), 2);
    before[rank] = mine.state();
    parallel.synchronize_parameters();
    after[rank] = mine.state();
  });
  EXPECT_EQ(after[0][0], after[1][0]) << "parameters";
  int different = 0;
  for (std::size_t i = 1; i < after[0].size(); ++i) different += after[0][i] != after[1][i];
  EXPECT_EQ(different, 2) << "both moments of AdamW";
}

TEST(Diloco, AFrozenParameterStopsAtTheNextOuterStep) {
  on_every_rank(2, [](Communicator& ranks) {
    Trainee mine;
    Tensor weight = mine.model.parameters().tensors()[0];
    DataParallel parallel(mine.model, mine.optimizer, ranks, options());
    train(mine, parallel, Rows(ranks.rank(), 2), 6);
    weight.set_requires_gradient(false);
    const auto before = weight.to_vector<float>();
    mine.optimizer.set_learning_rate(0);
    train(mine, parallel, Rows(ranks.rank(), 2), 3);
    EXPECT_EQ(weight.to_vector<float>(), before) << "outer momentum alone would move it";
  });
}

TEST(Diloco, TrainingAfterSynchronizeDependsOnSavedStateOnly) {
  on_every_rank(2, [](Communicator& ranks) {
    const Rows rows(ranks.rank(), 2);
    Trainee mine, resumed;
    DataParallel parallel(mine.model, mine.optimizer, ranks, options());
    train(mine, parallel, rows, 5);
    parallel.synchronize();

    DataParallel again(resumed.model, resumed.optimizer, ranks, options());
    resumed.set_state(mine.state());
    resumed.optimizer.set_steps_taken(mine.optimizer.steps_taken());
    train(mine, parallel, rows, 4);
    train(resumed, again, rows, 4);
    EXPECT_EQ(resumed.state(), mine.state());
  });
}

TEST(Diloco, WorksWithABfloat16Wire) {
  on_every_rank(2, [](Communicator& ranks) {
    random_context().seed = 0;
    Trainee mine, plain;
    DataParallelOptions narrow = options();
    narrow.wire = DType::bfloat16;
    DataParallel parallel(mine.model, mine.optimizer, ranks, narrow);
    DataParallel reference(plain.model, plain.optimizer, ranks, options());
    train(mine, parallel, Rows(ranks.rank(), 2), 3);
    train(plain, reference, Rows(ranks.rank(), 2), 3);
    EXPECT_NE(mine.numbers(), plain.numbers());
    EXPECT_THAT(mine.numbers(), Pointwise(FloatNear(1e-3f), plain.numbers()));
  });
}

TEST(Diloco, KeepsSixteenBitParametersInFloat) {
  on_every_rank(2, [](Communicator& ranks) {
    Trainee mine;
    mine.model.to(Device::cpu(), DType::bfloat16);
    DataParallel parallel(mine.model, mine.optimizer, ranks, options());
    const Rows rows(ranks.rank(), 2);
    for (int step = 0; step < 6; ++step) {
      parallel.backward(mine.model.loss(rows.x.to(DType::bfloat16), rows.y));
      parallel.step();
    }
    for (const auto& state : mine.optimizer.state()) {
      if (state.name != "master") continue;
      const Tensor master = state.arena->flat();
      EXPECT_EQ(master.to(DType::bfloat16).to(DType::float32).to_vector<float>(),
                mine.values().to(DType::float32).to_vector<float>());
      const Tensor first = master.clone();
      ranks.broadcast(first, 0);
      EXPECT_EQ(master.to_vector<float>(), first.to_vector<float>());
    }
  });
}

TEST(Diloco, ASteadyRoundAllocatesNothing) {
  on_every_rank(2, [](Communicator& ranks) {
    Trainee mine;
    DataParallel parallel(mine.model, mine.optimizer, ranks, options());
    const Rows rows(ranks.rank(), 2);
    int64_t least = std::numeric_limits<int64_t>::max();
    for (int round = 0; round < 20; ++round) {
      const int64_t before = allocations();
      train(mine, parallel, rows, static_cast<int>(kOuter.steps));
      least = std::min(least, allocations() - before);
    }
    EXPECT_EQ(least, 0);
  });
}

TEST(Diloco, IsPartOfTheMemoryReport) {
  Trainee plain, mine;
  const auto ranks = alone();
  DataParallel reference(plain.model, plain.optimizer, *ranks);
  DataParallel parallel(mine.model, mine.optimizer, *ranks, options());
  EXPECT_EQ(parallel.memory_report().persistent_bytes(),
            reference.memory_report().persistent_bytes() +
                8 * mine.model.parameters().layout().elements());
}

TEST(Diloco, RejectsInvalidOptions) {
  for (const DilocoOptions& bad : {DilocoOptions{.steps = 1, .outer_learning_rate = 0.0},
                                   DilocoOptions{.steps = 1, .outer_momentum = 1.0}}) {
    Trainee mine;
    const auto ranks = alone();
    EXPECT_THROW(DataParallel(mine.model, mine.optimizer, *ranks, options(bad)),
                 ConfigurationError);
  }
}

}  // namespace
}  // namespace ripieno::distributed::testing
