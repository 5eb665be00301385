#include "ripieno/distributed/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "distributed/on_every_rank.h"
#include "ripieno/core/error.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/optim/sgd.h"
#include "ripieno/distributed/data_parallel.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The disagreement() that every rank returns if rank r has the facts facts_of(r).
std::string found(int size, const std::function<std::vector<Fact>(int)>& facts_of) {
  std::vector<std::string> of_rank(static_cast<std::size_t>(size));
  on_every_rank(size, [&](Communicator& ranks) {
    of_rank[static_cast<std::size_t>(ranks.rank())] = disagreement(ranks, facts_of(ranks.rank()));
  });
  for (const auto& text : of_rank) EXPECT_EQ(text, of_rank.front());
  return of_rank.front();
}

TEST(Handshake, AcceptsRanksThatAgree) {
  EXPECT_EQ(found(3, [](int) { return std::vector<Fact>{{"a", "1"}, {"b", ""}}; }), "");
  EXPECT_EQ(found(3, [](int) { return std::vector<Fact>(); }), "");
}

TEST(Handshake, NamesTheDifferingRankItsHostAndBothValues) {
  const auto text = found(4, [](int rank) {
    return std::vector<Fact>{{"seed", "1"}, {"train.batch_size", rank == 2 ? "16" : "32"}};
  });
  EXPECT_THAT(text, StartsWith("rank 2 on "));
  EXPECT_THAT(text, HasSubstr(": train.batch_size is 16, rank 0 on "));
  EXPECT_THAT(text, HasSubstr(" has 32"));
}

TEST(Handshake, ComparesWithTheMajority) {
  const auto text = found(3, [](int rank) {
    return std::vector<Fact>{{"seed", rank == 0 ? "7" : "8"}};
  });
  EXPECT_THAT(text, AllOf(StartsWith("rank 0 on "), HasSubstr("seed is 7, rank 1 on ")));
}

TEST(Handshake, NamesAFactThatIsMissingOnSomeRanks) {
  const auto facts = [](int rank) {
    std::vector<Fact> result = {{"a", "1"}};
    if (rank != 1) result.push_back({"b", "2"});
    return result;
  };
  EXPECT_THAT(found(3, facts), AllOf(HasSubstr("rank 1 on "), HasSubstr("b is missing")));
  EXPECT_THAT(found(2, facts), HasSubstr("b is missing"));
}

TEST(Handshake, NamesThreeDifferingRanksAndTruncatesLongValues) {
  const auto text = found(10, [](int rank) {
    return std::vector<Fact>{{"a", rank < 4 ? std::to_string(rank) : std::string(500, 'x')}};
  });
  EXPECT_THAT(text, AllOf(HasSubstr("rank 2 on "), Not(HasSubstr("rank 3 on "))));
  EXPECT_THAT(text, HasSubstr("and 1 more"));
  EXPECT_LT(text.size(), 900u);
}

// The error of rank 1 if only it has a layer with `inputs` inputs, a frozen parameter or `options`.
std::string error_with(int64_t inputs, bool frozen, const DataParallelOptions& options = {}) {
  std::string message;
  on_every_rank(2, [&](Communicator& ranks) {
    const bool differs = ranks.rank() == 1;
    nn::Linear model(differs ? inputs : 4, 3);
    Tensor first = model.parameters().tensors()[0];
    if (differs && frozen) first.set_requires_gradient(false);
    optim::Sgd optimizer(model.parameters(), {});
    try {
      const DataParallel parallel(model, optimizer, ranks,
                                  differs ? options : DataParallelOptions{});
    } catch (const ConfigurationError& error) {
      if (differs) message = error.what();
    }
  });
  return message;
}

TEST(Handshake, DetectsADifferentModel) {
  EXPECT_EQ(error_with(4, false), "");
  EXPECT_THAT(error_with(5, false),
              AllOf(HasSubstr("rank 1 on "), HasSubstr("weight is float32 (3, 5), rank 0 on "),
                    HasSubstr("has float32 (3, 4)")));
}

TEST(Handshake, DetectsDifferentOptions) {
  EXPECT_THAT(error_with(4, false, {.shard = Shard::optimizer}),
              AllOf(HasSubstr("parallel.shard is optimizer, rank 0 on "), HasSubstr("has none")));
  EXPECT_THAT(error_with(4, false, {.bucket_bytes = 1024}),
              HasSubstr("parallel.bucket_bytes is 1024, rank 0 on "));
  EXPECT_THAT(error_with(4, false, {.overlap = false}),
              HasSubstr("DataParallelOptions::overlap is false"));
  EXPECT_THAT(error_with(4, false, {.diloco = {.outer_learning_rate = 0.5}}),
              HasSubstr("parallel.outer_learning_rate is 0.5, rank 0 on "));
  EXPECT_THAT(error_with(4, false, {.diloco = {.outer_momentum = 0.5}}),
              HasSubstr("parallel.outer_momentum is 0.5, rank 0 on "));
}

TEST(Handshake, DetectsDifferentFrozenParameters) {
  EXPECT_THAT(error_with(4, true), HasSubstr("weight is float32 (3, 4), frozen, rank 0 on "));
}

// The error of rank 1 if only it has the optimizer that `make` creates with true.
std::string error_with_optimizer(
    const std::function<std::unique_ptr<optim::Optimizer>(const Parameters&, bool)>& make) {
  std::string message;
  on_every_rank(2, [&](Communicator& ranks) {
    nn::Linear model(4, 3);
    const auto optimizer = make(model.parameters(), ranks.rank() == 1);
    try {
      const DataParallel parallel(model, *optimizer, ranks);
    } catch (const ConfigurationError& error) {
      if (ranks.rank() == 1) message = error.what();
    }
  });
  return message;
}

std::string error_with_adamw(const optim::AdamWOptions& options) {
  return error_with_optimizer([&](const Parameters& parameters, bool differs) {
    return std::make_unique<optim::AdamW>(parameters, differs ? options : optim::AdamWOptions{});
  });
}

TEST(Handshake, DetectsDifferentOptionsOfTheOptimizer) {
  EXPECT_EQ(error_with_adamw({}), "");
  EXPECT_EQ(error_with_adamw({.learning_rate = 0.5}), "") << "rank 0's is used";
  EXPECT_THAT(error_with_adamw({.weight_decay = 0.25}),
              AllOf(HasSubstr("optimizer.weight_decay is 0.25, rank 0 on "), HasSubstr("has 0")));
  EXPECT_THAT(error_with_adamw({.beta1 = 0.5}), HasSubstr("optimizer.beta1 is 0.5, rank 0 on "));
  EXPECT_THAT(error_with_adamw({.beta2 = 0.5}), HasSubstr("optimizer.beta2 is 0.5, rank 0 on "));
  EXPECT_THAT(error_with_adamw({.epsilon = 0.5}), HasSubstr("optimizer.epsilon is 0.5"));
  EXPECT_THAT(error_with_adamw({.max_gradient_norm = 2}), HasSubstr("max_gradient_norm is 2"));
  EXPECT_THAT(error_with_adamw(
                  {.groups = {{.selects = optim::named("bias"), .learning_rate_factor = 0.5}}}),
              HasSubstr("optimizer.groups at bias is weight_decay 0, learning_rate_factor 0.5"));
  const auto sgd = [](double momentum, bool nesterov) {
    return error_with_optimizer([&](const Parameters& parameters, bool differs) {
      const optim::SgdOptions usual = {.momentum = 0.5};
      const optim::SgdOptions other = {.momentum = momentum, .nesterov = nesterov};
      return std::make_unique<optim::Sgd>(parameters, differs ? other : usual);
    });
  };
  EXPECT_THAT(sgd(0.25, false), HasSubstr("optimizer.momentum is 0.25, rank 0 on "));
  EXPECT_THAT(sgd(0.5, true), HasSubstr("optimizer.nesterov is true, rank 0 on "));
}

}  // namespace
}  // namespace ripieno::distributed::testing
