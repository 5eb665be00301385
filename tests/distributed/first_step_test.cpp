// Mistakes of a program that DataParallel finds in its first step.
#include "ripieno/distributed/first_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distributed/on_every_rank.h"
#include "ripieno/core/error.h"
#include "ripieno/core/loaded_rows.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/sgd.h"
#include "ripieno/core/recomputation.h"
#include "ripieno/distributed/data_parallel.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

// `forgotten` is used but was never added.
struct Layers : nn::Module {
  nn::Linear first{2, 2}, second{2, 2}, forgotten{2, 3};
  Layers() {
    add("first", first);
    add("second", second);
  }
};

Loss loss_of(const Tensor& output) { return {sum(output), Tensor::full({}, 1.0)}; }
Tensor rows() { return Tensor::full({1, 2}, 1.0); }

struct Job {
  Layers model;
  optim::Sgd optimizer{model.parameters()};
  DataParallel parallel;

  explicit Job(Communicator& ranks, const DataParallelOptions& options = {})
      : parallel(model, optimizer, ranks, options) {}
};

const auto kNamesTheForgotten =
    ThrowsMessage<Error>(AllOf(HasSubstr("is not a parameter of the model"), HasSubstr("(3, 2)"),
                               HasSubstr("register its module with add()")));

TEST(FirstStep, FindsAModuleThatWasNeverRegistered) {
  const auto ranks = alone();
  Job job(*ranks);
  EXPECT_THAT([&] { job.parallel.backward(loss_of(job.model.forgotten(job.model.first(rows())))); },
              kNamesTheForgotten);
}

TEST(FirstStep, FindsAnUnregisteredModuleInTheLossOfRows) {
  for (const int slots : {0, 1}) {
    const auto ranks = alone();
    Job job(*ranks, {.slots = slots});
    const auto of_rows = [&](int64_t, int64_t) {
      return loss_of(job.model.forgotten(job.model.first(rows())));
    };
    EXPECT_THAT([&] { job.parallel.backward(1, of_rows); }, kNamesTheForgotten) << slots;
  }
}

TEST(FirstStep, AcceptsFrozenModulesOfOtherModels) {
  const auto ranks = alone();
  Job job(*ranks);
  job.model.forgotten.freeze();
  EXPECT_NO_THROW(job.parallel.backward(loss_of(job.model.forgotten(job.model.first(rows())))));
}

TEST(FirstStep, FindsParametersThatNoLossDependsOn) {
  const auto ranks = alone();
  Job job(*ranks);
  EXPECT_THAT(job.parallel.unused_parameters(), IsEmpty());
  job.model.second.freeze();
  job.model.thaw("second.weight");
  job.parallel.backward(loss_of(job.model.first(rows())));
  job.parallel.step();
  EXPECT_THAT(job.parallel.unused_parameters(), ElementsAre("second.weight"));
}

TEST(FirstStep, AParameterIsUsedIfAnyRankOrMicroBatchUsesIt) {
  on_every_rank(2, [](Communicator& ranks) {
    Job job(ranks);
    if (ranks.rank() == 0) {
      job.parallel.backward(loss_of(job.model.first(rows())), DataParallel::Accumulate::more);
      job.parallel.backward(loss_of(job.model.first(rows())));
    } else {
      job.parallel.backward(loss_of(job.model.second(rows())), DataParallel::Accumulate::more);
      job.parallel.backward();
    }
    job.parallel.step();
    EXPECT_THAT(job.parallel.unused_parameters(), IsEmpty());
  });
}

TEST(FirstStep, ParametersInARecomputedPartAreUsed) {
  const auto ranks = alone();
  Job job(*ranks);
  const Tensor output =
      recomputed([&](const Tensor& x) { return job.model.second(x); }, job.model.first(rows()));
  job.parallel.backward(loss_of(output));
  job.parallel.step();
  EXPECT_THAT(job.parallel.unused_parameters(), IsEmpty());
}

void step_with(Communicator& ranks, uint64_t loaded) {
  loaded_rows() = loaded;
  Job job(ranks);
  job.parallel.backward(loss_of(job.model.second(job.model.first(rows()))));
  job.parallel.step();
}

TEST(FirstStep, RefusesRanksThatLoadedTheSameRows) {
  on_every_rank(3, [](Communicator& ranks) {
    const uint64_t loaded = ranks.rank() == 0 ? 1 : 2;
    EXPECT_THAT([&] { step_with(ranks, loaded); },
                ThrowsMessage<ConfigurationError>(AllOf(HasSubstr("ranks 1 and 2 loaded the same"),
                                                        HasSubstr("pass the session"))));
  });
}

TEST(FirstStep, AcceptsRanksWithoutRowsOrWithoutALoader) {
  on_every_rank(3, [](Communicator& ranks) {
    EXPECT_NO_THROW(step_with(ranks, 0));
    EXPECT_NO_THROW(step_with(ranks, static_cast<uint64_t>(ranks.rank())));
  });
}

}  // namespace
}  // namespace ripieno::distributed::testing
