// Exponential moving averages of parameters (Optimizer::keep_average()).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/sgd.h"

namespace ripieno::optim {
namespace {

using ::testing::DoubleNear;
using ::testing::Pointwise;

struct Averaged : nn::Module {
  Tensor weight = add_parameter("weight", {5, 7}, nn::Initial::uniform(1.0));

  std::vector<double> values() const { return weight.to_vector<double>(); }
  void backward() const { sum(square(weight)).backward(); }
};

std::vector<double> average_of(Optimizer& optimizer) {
  for (const auto& state : optimizer.state()) {
    if (state.name == "average") return state.arena->tensors()[0].to_vector<double>();
  }
  return {};
}

TEST(Average, FollowsItsFormulaWithAndWithoutWarmup) {
  for (const bool warms_up : {false, true}) {
    Averaged model;
    Sgd optimizer(model.parameters(), {.learning_rate = 0.1});
    optimizer.keep_average({.decay = 0.4, .warms_up = warms_up});
    std::vector<double> expected = model.values();
    for (int step = 1; step <= 20; ++step) {
      model.backward();
      optimizer.step();
      const double usual = warms_up ? std::min(0.4, (1.0 + step) / (10.0 + step)) : 0.4;
      const double decay = step == 1 ? 0.0 : usual;
      const auto values = model.values();
      for (std::size_t i = 0; i < values.size(); ++i)
        expected[i] = decay * expected[i] + (1 - decay) * values[i];
      EXPECT_THAT(average_of(optimizer), Pointwise(DoubleNear(1e-6), expected)) << step;
    }
  }
}

TEST(Average, ReplacesTheParametersUntilItIsExchangedAgain) {
  Averaged model;
  Sgd optimizer(model.parameters(), {.learning_rate = 0.1});
  optimizer.keep_average({.decay = 0.5});
  model.backward();
  optimizer.step();
  const auto values = model.values();
  optimizer.exchange_average();
  EXPECT_EQ(model.values(), average_of(optimizer));
  EXPECT_THROW(optimizer.begin_step(), Error);
  optimizer.exchange_average();
  EXPECT_EQ(model.values(), values);
  EXPECT_NO_THROW(optimizer.step());
}

TEST(Average, IsOfTheMasterWeightsOfNarrowParameters) {
  Averaged model;
  model.to(Device::cpu(), DType::bfloat16);
  Sgd optimizer(model.parameters(), {.learning_rate = 1e-4});
  optimizer.keep_average({.decay = 0.5, .warms_up = false});
  model.backward();
  optimizer.step();
  const double before = average_of(optimizer)[0];
  model.backward();
  optimizer.step();
  EXPECT_NE(average_of(optimizer)[0], before);  // less than the resolution of bfloat16
  EXPECT_NEAR(average_of(optimizer)[0], before, 1e-3);
}

TEST(Average, DoesNotChangeInASkippedStep) {
  Averaged model;
  Sgd optimizer(model.parameters(), {.learning_rate = 0.1});
  optimizer.keep_average({.decay = 0.5});
  optimizer.skip_bad_steps();
  const auto before = average_of(optimizer);
  sum(model.weight * std::nan("")).backward();
  optimizer.step();
  EXPECT_EQ(average_of(optimizer), before);
}

TEST(Average, OfAFrozenParameterApproachesTheParameter) {
  Averaged model;
  Sgd optimizer(model.parameters(), {.learning_rate = 0.1});
  optimizer.keep_average({.decay = 0.5});
  for (int step = 0; step < 2; ++step) {
    model.backward();
    optimizer.step();
  }
  const auto before = average_of(optimizer);
  model.freeze();
  optimizer.step();
  EXPECT_NE(average_of(optimizer), std::vector<double>(35, 0.0));
  EXPECT_LT(std::abs(average_of(optimizer)[0] - model.values()[0]),
            std::abs(before[0] - model.values()[0]));
}

TEST(Average, RejectsWhatCannotBeKept) {
  Averaged model;
  Sgd optimizer(model.parameters());
  EXPECT_THROW(optimizer.keep_average({.decay = 1.0}), ConfigurationError);
  EXPECT_THROW(optimizer.exchange_average(), Error);
  model.backward();
  optimizer.step();
  EXPECT_THROW(optimizer.keep_average({}), Error);
}

}  // namespace
}  // namespace ripieno::optim
