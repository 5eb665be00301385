// User-defined optimizers on several ranks: their state can be sharded, saved and loaded like that
// of the library's optimizers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"
#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/distributed/gradients/shards.h"

namespace ripieno::distributed::testing {
namespace {

using optim::Common;
using optim::Optimizer;

// Lion (Chen et al., 2023, arXiv:2302.06675): an element-wise update.
class Lion final : public Optimizer {
 public:
  Lion(const Parameters& parameters, const Common& common) : Optimizer(parameters, common) {}

 private:
  void prepare() override { add_state("momentum"); }
  void update_tensor(const ParameterView& x) override {
    Tensor w = x.values, momentum = x.state("momentum");
    const Tensor mixed = momentum * 0.9 + x.gradient * 0.1;
    const Tensor sign = mixed / sqrt(square(mixed) + 1e-30);
    w.copy_from(w - (sign + w * x.weight_decay) * x.learning_rate);
    momentum.copy_from(momentum * 0.99 + x.gradient * 0.01);
  }
};

// LAMB (You et al., 2020, arXiv:1904.00962): requires norms of whole tensors.
class Lamb final : public Optimizer {
 public:
  Lamb(const Parameters& parameters, const Common& common) : Optimizer(parameters, common) {}
  bool needs_whole_tensors() const override { return true; }

 private:
  void prepare() override {
    add_state("first_moment");
    add_state("second_moment");
    add_state("updates", {.shape = [](const auto&) { return Shape{}; }});
  }
  std::pair<double, double> decays_of_moments() const override { return {0.9, 0.999}; }
  void update_tensor(const ParameterView& x) override {
    Tensor w = x.values, m = x.state("first_moment"), v = x.state("second_moment");
    m.copy_from(m * 0.9 + x.gradient * 0.1);
    v.copy_from(v * 0.999 + square(x.gradient) * 0.001);
    const Tensor deviation = sqrt(v * x.second_correction) + 1e-6;
    const Tensor direction = m * x.first_correction / deviation + w * x.weight_decay;
    const Tensor trust = sqrt(sum(square(w))) / sqrt(sum(square(direction)));
    w.copy_from(w - direction * (trust * x.learning_rate));
    Tensor updates = x.state("updates");
    updates.copy_from(updates + 1.0);
  }
};

// What a checkpoint saves of a rank: the parameters, and this rank's parts of the state tensors.
using Saved = std::vector<Tensor>;

Saved saved(Optimizer& optimizer) {
  Saved saved = {optimizer.parameters().values().flat().clone()};
  for (const auto& state : optimizer.state()) {
    for (std::size_t i = 0; i < optimizer.parameters().size(); ++i) {
      const Tensor part = optimizer.part_of(state, i).part;
      saved.push_back(part.defined() ? part.clone() : Tensor());
    }
  }
  return saved;
}

void load(Optimizer& optimizer, const Saved& saved, int64_t steps) {
  optimizer.parameters().values().flat().copy_from(saved[0]);
  std::size_t next = 1;
  for (const auto& state : optimizer.state()) {
    for (std::size_t i = 0; i < optimizer.parameters().size(); ++i, ++next) {
      if (saved[next].defined()) optimizer.part_of(state, i).part.copy_from(saved[next]);
    }
  }
  optimizer.set_steps_taken(steps);
}

using MakeOptimizer = std::function<std::unique_ptr<Optimizer>(const Parameters&)>;

template <typename Rule>
std::unique_ptr<Optimizer> of_rule(const Parameters& parameters) {
  return std::make_unique<Rule>(parameters, Common{.learning_rate = 0.01, .weight_decay = 0.1});
}

// Four steps: with one optimizer, or two each with a first and a second one that loads its state.
std::vector<float> train(Communicator& ranks, const MakeOptimizer& make, Shard shard,
                         bool resumes) {
  const TrainingJob job;
  Saved state;
  std::vector<float> values;
  for (int part = 0; part < (resumes ? 2 : 1); ++part) {
    random_context().seed = static_cast<uint64_t>(ranks.rank());
    nn::Mlp model({kFeatures, 16, 8, kClasses});
    const std::unique_ptr<Optimizer> made = make(model.parameters());
    Optimizer& optimizer = *made;
    DataParallel parallel(model, optimizer, ranks, {.shard = shard, .bucket_bytes = 512});
    if (part > 0) load(optimizer, state, 2);
    for (int step = 0; step < (resumes ? 2 : 4); ++step) job.step_of(model, parallel, ranks);
    state = saved(optimizer);
    values = model.parameters().values().flat().to_vector<float>();
  }
  return values;
}

template <typename Rule>
class CustomOptimizer : public ::testing::Test {};
using Rules = ::testing::Types<Lion, Lamb>;
TYPED_TEST_SUITE(CustomOptimizer, Rules);

void expect_shards_and_resumes(const MakeOptimizer& make, const std::vector<Shard>& shards) {
  for (const int size : {2, 3}) {
    std::vector<float> expected;
    on_every_rank(size, [&](Communicator& ranks) {
      const auto values = train(ranks, make, Shard::none, false);
      if (ranks.rank() == 0) expected = values;
    });
    for (const Shard shard : shards) {
      for (const bool resumes : {false, true}) {
        on_every_rank(size, [&](Communicator& ranks) {
          EXPECT_EQ(train(ranks, make, shard, resumes), expected) << "resumes: " << resumes;
        });
      }
    }
  }
}

TYPED_TEST(CustomOptimizer, ShardsAndResumesBitwise) {
  expect_shards_and_resumes(of_rule<TypeParam>, {Shard::none, Shard::optimizer});
}

TEST(EveryOptimizer, ShardsAndResumesBitwise) {
  for (const std::string& name : optim::optimizer_names()) {
    SCOPED_TRACE(name);
    const MakeOptimizer make = [&](const Parameters& parameters) {
      auto optimizer = optim::make_optimizer(
          name, parameters, {.learning_rate = 0.01, .weight_decay = 0.1, .momentum = 0.9});
      optimizer->keep_average({.decay = 0.9});
      return optimizer;
    };
    nn::Mlp model({kFeatures, 16, 8, kClasses});
    const bool needs_whole = make(model.parameters())->needs_whole_tensors();
    std::vector<Shard> shards = {Shard::none, Shard::optimizer};
    if (!needs_whole) shards.push_back(Shard::gradients);
    expect_shards_and_resumes(make, shards);
  }
}

// The parameters while averages replace them, and afterwards.
std::pair<std::vector<float>, std::vector<float>> exchanged(Communicator& ranks, Shard shard) {
  const TrainingJob job;
  random_context().seed = static_cast<uint64_t>(ranks.rank());
  nn::Mlp model({kFeatures, 16, 8, kClasses});
  const auto optimizer = optim::make_optimizer("adamw", model.parameters(), {});
  optimizer->keep_average({.decay = 0.5, .warms_up = false});
  DataParallel parallel(model, *optimizer, ranks, {.shard = shard, .bucket_bytes = 512});
  for (int step = 0; step < 3; ++step) job.step_of(model, parallel, ranks);
  const auto values = [&] { return model.parameters().values().flat().to_vector<float>(); };
  const auto before = values();
  parallel.exchange_average();
  const auto averages = values();
  parallel.exchange_average();
  EXPECT_EQ(values(), before);
  return {averages, before};
}

TEST(Averages, ReplaceTheParametersOnAllRanksHoweverTheStateIsSharded) {
  std::vector<float> expected;
  on_every_rank(3, [&](Communicator& ranks) {
    const auto [averages, values] = exchanged(ranks, Shard::none);
    EXPECT_NE(averages, values);
    if (ranks.rank() == 0) expected = averages;
  });
  for (const Shard shard : {Shard::optimizer, Shard::gradients}) {
    on_every_rank(3,
                  [&](Communicator& ranks) { EXPECT_EQ(exchanged(ranks, shard).first, expected); });
  }
}

TEST(WholeTensors, CannotBeCombinedWithShardedGradients) {
  on_every_rank(2, [](Communicator& ranks) {
    EXPECT_THROW(train(ranks, of_rule<Lamb>, Shard::gradients, false), ConfigurationError);
  });
}

TEST(TensorShards, CoverTheTensorsOfEachBucketOnce) {
  nn::Mlp model({5, 16, 8, 3});
  const Parameters parameters = model.parameters();
  const ArenaLayout& layout = parameters.layout();
  for (const std::size_t bytes : {1, 512, 1 << 20}) {
    for (const Bucket& bucket : buckets_of(layout, 4, bytes)) {
      int64_t elements = 0;
      for (int rank = 0; rank < 3; ++rank) {
        const ElementRange range = tensors_owned_by(bucket, layout, rank, 3);
        elements += range.elements();
        for (const auto& entry : layout.entries()) {
          const bool begins_inside = range.begin <= entry.offset && entry.offset < range.end;
          EXPECT_EQ(begins_inside, range.begin < entry.offset + 1 &&
                                       entry.offset + entry.elements <= range.end &&
                                       range.elements() > 0);
        }
      }
      EXPECT_EQ(elements, bucket.end - bucket.begin);
    }
  }
}

// A model with a running mean.
struct Centered final : nn::Module {
  Tensor mean = add_buffer("mean", {2}, nn::Initial::normal(1.0));
  Tensor weight = add_parameter("weight", {2}, nn::Initial::constant(1.0));
};

TEST(Buffers, StartWithRankZerosValues) {
  std::vector<std::vector<float>> means(3);
  on_every_rank(3, [&](Communicator& ranks) {
    random_context().seed = static_cast<uint64_t>(ranks.rank());
    Centered model;
    Lion optimizer(model.parameters(), {});
    const DataParallel parallel(model, optimizer, ranks);
    means[static_cast<std::size_t>(ranks.rank())] = model.mean.to_vector<float>();
  });
  EXPECT_EQ(means[1], means[0]);
  EXPECT_EQ(means[2], means[0]);
}

}  // namespace
}  // namespace ripieno::distributed::testing
