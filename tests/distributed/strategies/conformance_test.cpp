// Tests of the requirements on every strategy: one row per strategy and its options, one test per
// requirement.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "distributed/allocations.h"
#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"
#include "ripieno/core/autograd.h"
#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/in_flight.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct Row {
  const char* name;
  DataParallelOptions options;
  std::vector<int> ranks;
  double tolerance;             // relative, of the loss after training, to that of one rank
  const char* keeps = nullptr;  // line of the memory report that it adds
  bool takes_any_rows = true;   // false: each rank must have rows in each step
};

constexpr std::size_t kBucket = 128;  // bytes: several buckets

const Row kRows[] = {
    {"one_rank", {.bucket_bytes = kBucket}, {1}, 0},
    {"replicated", {.bucket_bytes = kBucket}, {2, 3}, 1e-5},
    {"replicated_without_overlap", {.bucket_bytes = kBucket, .overlap = false}, {2, 3}, 1e-5},
    {"bfloat16_wire",
     {.bucket_bytes = kBucket, .wire = DType::bfloat16},
     {2, 3},
     2e-2,
     "buffers for compressed gradients"},
    {"power_sgd",
     {.bucket_bytes = kBucket, .power_sgd_rank = 2},
     {2, 3},
     0.2,
     "buffers for compressed gradients"},
    {"sharded_optimizer",
     {.shard = Shard::optimizer, .bucket_bytes = kBucket},
     {2, 3},
     1e-5,
     "buckets in flight"},
    {"sharded_gradients",
     {.shard = Shard::gradients, .bucket_bytes = kBucket},
     {2, 3},
     1e-5,
     "buckets in flight"},
    {"strict", {.bucket_bytes = kBucket, .slots = 6}, {1, 2, 3}, 0, "gradients of slots", false},
    {"diloco",
     {.bucket_bytes = kBucket,
      .diloco = {.steps = 2, .outer_learning_rate = 1.0, .outer_momentum = 0.0}},
     {1, 2, 3},
     0.3,  // a rank without rows reduces the mean difference
     "parameters at the last outer step"},
};

struct Trainee {
  nn::Mlp model{{kFeatures, 16, 8, kClasses}};
  optim::AdamW optimizer{model.parameters(), {.learning_rate = 0.02, .max_gradient_norm = 1.0}};

  std::vector<float> numbers() { return model.parameters().values().flat().to_vector<float>(); }
};

struct Rows {
  int64_t begin, end;
};
Rows evenly(int rank, int size) { return {kSamples * rank / size, kSamples * (rank + 1) / size}; }
// The last rank has no rows.
Rows none_for_the_last(int rank, int size) {
  if (size == 1) return {0, kSamples};
  return rank == size - 1 ? Rows{kSamples, kSamples} : evenly(rank, size - 1);
}

void step(Trainee& trainee, DataParallel& parallel, Rows rows) {
  random_context().first_row = rows.begin;
  parallel.backward(rows.end - rows.begin, [&](int64_t from, int64_t to) {
    return trainee.model.loss(features().slice(0, rows.begin + from, rows.begin + to),
                              targets().slice(0, rows.begin + from, rows.begin + to));
  });
  parallel.step();
}

double loss_on_everything(const Trainee& trainee) {
  const NoGrad no_grad;
  return trainee.model.loss(features(), targets()).mean();
}

// The result of training on one rank, after synchronize().
struct Outcome {
  double loss = 0;
  std::vector<float> parameters;
};

Outcome train(Communicator& ranks, const DataParallelOptions& options,
              Rows (*share)(int, int) = evenly) {
  kernels::set_cpu_threads(1);
  random_context() = {.seed = static_cast<uint64_t>(7 + ranks.rank())};  // rank 0's model is used
  Trainee trainee;
  DataParallel parallel(trainee.model, trainee.optimizer, ranks, options);
  for (int i = 0; i < 8; ++i) step(trainee, parallel, share(ranks.rank(), ranks.size()));
  parallel.synchronize();
  return {loss_on_everything(trainee), trainee.numbers()};
}

class StrategyTest : public ::testing::TestWithParam<std::tuple<Row, int>> {
 protected:
  const Row& row() const { return std::get<0>(GetParam()); }
  int size() const { return std::get<1>(GetParam()); }

  // The outcome of rank 0; expects the same on all ranks.
  Outcome outcome(const DataParallelOptions& options, Rows (*share)(int, int)) const {
    std::vector<Outcome> all(static_cast<std::size_t>(size()));
    on_every_rank(size(), [&](Communicator& ranks) {
      all[static_cast<std::size_t>(ranks.rank())] = train(ranks, options, share);
    });
    for (const Outcome& other : all) EXPECT_EQ(other.parameters, all[0].parameters);
    return all[0];
  }
  void expect_loss_of_one_rank(const Outcome& outcome) const {
    // Strict mode is compared with strict mode, since it sums slots.
    const DataParallelOptions alone_options = {.slots = row().options.slots};
    const double expected = train(*alone(), alone_options).loss;
    EXPECT_NEAR(outcome.loss, expected, row().tolerance * expected);
  }
};

TEST_P(StrategyTest, ReachesTheLossOfOneRank) {
  expect_loss_of_one_rank(outcome(row().options, evenly));
}

TEST_P(StrategyTest, ReachesTheLossWithMicroBatchesOfAnySize) {
  DataParallelOptions options = row().options;
  options.micro_batch_size = 5;  // the last micro-batch of a rank is smaller
  const double rounding = options.slots > 0 ? 0 : 1e-5;
  const double expected = outcome(row().options, evenly).loss;
  const bool is_approximate = row().tolerance > 1e-3;
  EXPECT_NEAR(outcome(options, evenly).loss, expected,
              (is_approximate ? row().tolerance : rounding) * expected);
}

TEST_P(StrategyTest, ARankMayHaveNoRows) {
  if (size() == 1) GTEST_SKIP() << "the only rank has all rows";
  if (row().takes_any_rows) {
    return expect_loss_of_one_rank(outcome(row().options, none_for_the_last));
  }
  EXPECT_THROW(outcome(row().options, none_for_the_last), Error);
}

TEST_P(StrategyTest, ALostPeerIsReported) {
  if (size() == 1) GTEST_SKIP() << "there are no peers";
  EXPECT_THROW(on_every_rank(size(),
                             [&](Communicator& ranks) {
                               Trainee trainee;
                               DataParallel parallel(trainee.model, trainee.optimizer, ranks,
                                                     row().options);
                               for (int i = 0; i < 8; ++i) {
                                 if (i == 3 && ranks.rank() == 1) return;
                                 step(trainee, parallel, evenly(ranks.rank(), ranks.size()));
                               }
                             }),
               CommunicationFailure);
}

// If a program catches the failure and continues, no call hangs and none succeeds.
TEST_P(StrategyTest, EverythingAfterACaughtFailureFails) {
  if (size() == 1) GTEST_SKIP() << "there are no peers";
  on_every_rank(size(), [&](Communicator& ranks) {
    Trainee trainee;
    DataParallel parallel(trainee.model, trainee.optimizer, ranks, row().options);
    if (ranks.rank() == size() - 1) return;
    const auto train = [&] {
      for (int i = 0; i < 3; ++i) step(trainee, parallel, evenly(ranks.rank(), ranks.size()));
    };
    EXPECT_THROW(train(), CommunicationFailure);
    EXPECT_THROW(train(), Error);
    EXPECT_THROW(parallel.step(), Error);
    EXPECT_THROW(train(), Error);
    EXPECT_THROW(ranks.barrier(), CommunicationFailure);
  });
}

TEST_P(StrategyTest, TheMemoryReportIncludesMemoryOfTheStrategy) {
  on_every_rank(size(), [&](Communicator& ranks) {
    Trainee trainee;
    DataParallel parallel(trainee.model, trainee.optimizer, ranks, row().options);
    step(trainee, parallel, evenly(ranks.rank(), ranks.size()));
    const auto lines = parallel.memory_report().lines;
    for (const std::string what : {"parameters", "gradients", "first_moment", "second_moment"}) {
      EXPECT_THAT(lines, Contains(Field(&MemoryReport::Line::what, what)));
    }
    if (row().keeps) {
      EXPECT_THAT(lines, Contains(Field(&MemoryReport::Line::what, std::string(row().keeps))));
    }
  });
}

TEST_P(StrategyTest, TheOrderOfCallsIsChecked) {
  on_every_rank(size(), [&](Communicator& ranks) {
    Trainee trainee;
    DataParallel parallel(trainee.model, trainee.optimizer, ranks, row().options);
    EXPECT_THROW(parallel.step(), Error);
    const Rows rows = evenly(ranks.rank(), ranks.size());
    const auto loss_of = [&](int64_t from, int64_t to) {
      return trainee.model.loss(features().slice(0, rows.begin + from, rows.begin + to),
                                targets().slice(0, rows.begin + from, rows.begin + to));
    };
    parallel.backward(rows.end - rows.begin, loss_of);
    EXPECT_THROW(parallel.backward(rows.end - rows.begin, loss_of), Error);
    parallel.step();
  });
}

TEST_P(StrategyTest, AModelMovedAfterConstructionIsRejected) {
  on_every_rank(size(), [&](Communicator& ranks) {
    Trainee trainee;
    DataParallel parallel(trainee.model, trainee.optimizer, ranks, row().options);
    trainee.model.to(Device::cpu(), DType::float64);
    EXPECT_THAT(
        [&] {
          step(trainee, parallel, {0, 1});
        },
        ThrowsMessage<Error>(HasSubstr("float64 on cpu, but was float32 on cpu")));
  });
}

TEST_P(StrategyTest, AModelMayBeMovedBeforeConstruction) {
  on_every_rank(size(), [&](Communicator& ranks) {
    Trainee trainee;
    trainee.model.to(Device::cpu(), DType::bfloat16);
    DataParallel parallel(trainee.model, trainee.optimizer, ranks, row().options);
    const Rows rows = evenly(ranks.rank(), ranks.size());
    parallel.backward(rows.end - rows.begin, [&](int64_t from, int64_t to) {
      return trainee.model.loss(
          features().slice(0, rows.begin + from, rows.begin + to).to(DType::bfloat16),
          targets().slice(0, rows.begin + from, rows.begin + to));
    });
    EXPECT_NO_THROW(parallel.step());
  });
}

TEST_P(StrategyTest, FrozenParametersStayUnchanged) {
  on_every_rank(size(), [&](Communicator& ranks) {
    Trainee trainee;
    Tensor frozen = trainee.model.parameters().tensors()[2];
    frozen.set_requires_gradient(false);
    DataParallel parallel(trainee.model, trainee.optimizer, ranks, row().options);
    const auto before = frozen.to_vector<float>();
    const auto all = trainee.numbers();
    for (int i = 0; i < 4; ++i) {
      step(trainee, parallel, evenly(ranks.rank(), ranks.size()));
    }
    EXPECT_EQ(frozen.to_vector<float>(), before);
    EXPECT_NE(trainee.numbers(), all);
  });
}

// Both before and after, as many steps as DiLoCo takes between outer steps.
TEST_P(StrategyTest, ParametersThawedAfterTheFirstStepsAreTrained) {
  std::vector<std::vector<float>> all(static_cast<std::size_t>(size()));
  on_every_rank(size(), [&](Communicator& ranks) {
    kernels::set_cpu_threads(1);
    Trainee trainee;
    const Rows rows = evenly(ranks.rank(), ranks.size());
    Tensor thawed = trainee.model.parameters().tensors()[2];
    thawed.set_requires_gradient(false);
    DataParallel parallel(trainee.model, trainee.optimizer, ranks, row().options);
    for (int i = 0; i < 2; ++i) step(trainee, parallel, rows);
    const auto before = thawed.to_vector<float>();
    thawed.set_requires_gradient(true);
    for (int i = 0; i < 2; ++i) step(trainee, parallel, rows);
    EXPECT_NE(thawed.to_vector<float>(), before);
    parallel.synchronize();
    all[static_cast<std::size_t>(ranks.rank())] = trainee.numbers();
  });
  for (const auto& numbers : all) EXPECT_EQ(numbers, all[0]);
}

// The gradients that the ranks sum are those of the parameters that train at the time.
TEST_P(StrategyTest, ThawedParametersMoveAsOnOneRank) {
  const auto train = [&](Communicator& ranks, const DataParallelOptions& options) {
    kernels::set_cpu_threads(1);
    random_context() = {.seed = 7};
    Trainee trainee;
    const Rows rows = evenly(ranks.rank(), ranks.size());
    trainee.model.freeze("*");
    trainee.model.thaw("*.bias");
    DataParallel parallel(trainee.model, trainee.optimizer, ranks, options);
    for (int i = 0; i < 2; ++i) step(trainee, parallel, rows);
    trainee.model.thaw();
    for (int i = 0; i < 6; ++i) step(trainee, parallel, rows);
    parallel.synchronize();
    return loss_on_everything(trainee);
  };
  const double expected = train(*alone(), {.slots = row().options.slots});
  on_every_rank(size(), [&](Communicator& ranks) {
    EXPECT_NEAR(train(ranks, row().options), expected, row().tolerance * expected);
  });
}

// Forwards all calls. Throws Error if another collective of the rank, of this communicator or a
// duplicate, is in flight.
class Exclusive final : public Communicator {
 public:
  Exclusive(Communicator& inner, InFlight& in_flight) : inner_(inner), in_flight_(in_flight) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  int local_rank() const override { return inner_.local_rank(); }
  int local_size() const override { return inner_.local_size(); }
  void all_reduce(const Tensor& x) override {
    const InFlight::Scope scope(in_flight_, all_reduce_of(x));
    inner_.all_reduce(x);
  }
  void reduce_scatter(const Tensor& out, const Tensor& in) override {
    const InFlight::Scope scope(in_flight_, reduce_scatter_of(out, in, size()));
    inner_.reduce_scatter(out, in);
  }
  void all_gather(const Tensor& out, const Tensor& in) override {
    const InFlight::Scope scope(in_flight_, all_gather_of(out, in, size()));
    inner_.all_gather(out, in);
  }
  void all_to_all(const Tensor& out, const Tensor& in) override {
    const InFlight::Scope scope(in_flight_, all_to_all_of(out, in, size()));
    inner_.all_to_all(out, in);
  }
  void broadcast(const Tensor& x, int root) override {
    const InFlight::Scope scope(in_flight_, broadcast_of(x, root, size()));
    inner_.broadcast(x, root);
  }
  void barrier() override {
    const InFlight::Scope scope(in_flight_, {.kind = Collective::Kind::barrier});
    inner_.barrier();
  }
  std::unique_ptr<Communicator> duplicate() override { return over(inner_.duplicate()); }
  std::unique_ptr<Communicator> split(int color, int key) override {
    return over(inner_.split(color, key));
  }
  void set_timeout(std::chrono::seconds timeout) override { inner_.set_timeout(timeout); }

 private:
  std::unique_ptr<Communicator> over(std::unique_ptr<Communicator> group) const {
    auto result = std::make_unique<Exclusive>(*group, in_flight_);
    result->owned_ = std::move(group);
    return result;
  }

  Communicator& inner_;
  InFlight& in_flight_;
  std::unique_ptr<Communicator> owned_;
};

// NCCL requires this.
TEST_P(StrategyTest, TwoCommunicatorsOfARankAreNeverInFlightTogether) {
  on_every_rank(size(), [&](Communicator& inner) {
    InFlight in_flight;
    Exclusive ranks(inner, in_flight);
    train(ranks, row().options);
  });
}

std::vector<std::tuple<Row, int>> all_rows() {
  std::vector<std::tuple<Row, int>> all;
  for (const Row& row : kRows) {
    for (const int ranks : row.ranks) all.emplace_back(row, ranks);
  }
  return all;
}

std::string name_of_row(const ::testing::TestParamInfo<std::tuple<Row, int>>& test) {
  return std::get<0>(test.param).name + std::string("_on_") +
         std::to_string(std::get<1>(test.param));
}

INSTANTIATE_TEST_SUITE_P(All, StrategyTest, ::testing::ValuesIn(all_rows()), name_of_row);

TEST(Strategies, RejectOptionsThatCannotBeCombined) {
  const std::pair<DataParallelOptions, const char*> refused[] = {
      {{.wire = DType::float16}, "parallel.wire must be float32 or bfloat16, got float16"},
      {{.slots = 8, .wire = DType::bfloat16}, "parallel.strict cannot be combined with"},
      {{.slots = 8, .power_sgd_rank = 1}, "parallel.strict cannot be combined with"},
      {{.slots = 8, .diloco = {.steps = 2}}, "parallel.strict cannot be combined with"},
      {{.shard = Shard::optimizer, .slots = 8}, "parallel.shard cannot be combined with"},
      {{.shard = Shard::gradients, .diloco = {.steps = 2}},
       "parallel.shard cannot be combined with"},
      {{.shard = Shard::gradients, .power_sgd_rank = 1},
       "parallel.power_sgd_rank cannot be combined with parallel.shard=gradients"},
      {{.power_sgd_rank = 1, .diloco = {.steps = 2}},
       "parallel.power_sgd_rank cannot be combined with parallel.diloco_steps"},
      {{.wire = DType::bfloat16, .power_sgd_rank = 1},
       "parallel.power_sgd_rank cannot be combined with parallel.diloco_steps"}};
  for (const auto& [options, why] : refused) {
    EXPECT_THAT([&] { check(options); }, ThrowsMessage<ConfigurationError>(HasSubstr(why)));
  }
}

TEST(Strategies, RejectFloat16WithPowerSgdAndDiloco) {
  const auto ranks = alone();
  for (const DataParallelOptions& options :
       {DataParallelOptions{.power_sgd_rank = 1}, DataParallelOptions{.diloco = {.steps = 2}}}) {
    nn::Mlp model({kFeatures, kClasses});
    optim::AdamW optimizer(model.parameters(), {.scales_loss = true});
    EXPECT_THAT([&] { DataParallel(model, optimizer, *ranks, options); },
                ThrowsMessage<ConfigurationError>(HasSubstr("use bfloat16")));
  }
}

}  // namespace
}  // namespace ripieno::distributed::testing
