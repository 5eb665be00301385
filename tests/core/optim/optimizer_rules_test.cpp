// What all optimizers of the table have in common; their rules are compared in tests/parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ripieno/core/autograd.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/adafactor.h"
#include "ripieno/core/optim/adagrad.h"
#include "ripieno/core/optim/lamb.h"
#include "ripieno/core/optim/lion.h"
#include "ripieno/core/optim/muon.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/core/optim/rms_prop.h"
#include "ripieno/core/random.h"

namespace ripieno::optim {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct ThreeTensors : nn::Module {
  Tensor matrix = add_parameter("matrix", {5, 3}, nn::Initial::uniform(1.0));
  Tensor scalar = add_parameter("scalar", {}, nn::Initial::uniform(1.0));
  Tensor kernel = add_parameter("kernel", {2, 3, 2}, nn::Initial::uniform(1.0));

  void backward(double factor = 1.0) const {
    ((sum(square(matrix)) + square(scalar) + sum(kernel)) * factor).backward();
  }
  std::vector<double> values() { return parameters().values().flat().to_vector<double>(); }
};

class EveryOptimizer : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Optimizer> made(ThreeTensors& model) const {
    return make_optimizer(GetParam(), model.parameters(),
                          {.learning_rate = 0.01, .weight_decay = 0.1});
  }
  static std::vector<std::vector<double>> state_of(Optimizer& optimizer) {
    std::vector<std::vector<double>> values;
    for (const auto& state : optimizer.state())
      values.push_back(state.arena->flat().to_vector<double>());
    return values;
  }
};

TEST_P(EveryOptimizer, LowersALoss) {
  ThreeTensors model;
  const auto optimizer = made(model);
  const double before = sum(square(model.matrix)).item();
  for (int step = 0; step < 20; ++step) {
    model.backward();
    optimizer->step();
  }
  EXPECT_LT(sum(square(model.matrix)).item(), before);
}

TEST_P(EveryOptimizer, ChangesNothingInASkippedStep) {
  ThreeTensors model;
  const auto optimizer = made(model);
  optimizer->skip_bad_steps();
  model.backward();
  optimizer->step();
  const auto values = model.values();
  const auto state = state_of(*optimizer);
  model.backward(std::nan(""));
  optimizer->step();
  EXPECT_EQ(model.values(), values);
  EXPECT_EQ(state_of(*optimizer), state);
  EXPECT_EQ(optimizer->steps_taken(), 1);
}

TEST_P(EveryOptimizer, DoesNotChangeAFrozenParameterAndForgetsItsState) {
  ThreeTensors model;
  const auto optimizer = made(model);
  model.backward();
  optimizer->step();
  model.freeze("kernel");
  const auto before = model.kernel.to_vector<double>();
  model.backward();
  optimizer->step();
  EXPECT_EQ(model.kernel.to_vector<double>(), before);
  for (const auto& state : optimizer->state()) {
    const Tensor part = optimizer->part_of(state, 2).part;
    if (!part.defined()) continue;
    for (const double x : part.to_vector<double>()) EXPECT_EQ(x, 0.0) << state.name;
  }
}

// Also with the numbers of steps and the state given to another one.
TEST_P(EveryOptimizer, ContinuesBitwiseFromItsState) {
  ThreeTensors model, other;
  const auto optimizer = made(model), resumed = made(other);
  for (int step = 0; step < 3; ++step) {
    model.backward();
    optimizer->step();
  }
  other.parameters().values().flat().copy_from(model.parameters().values().flat());
  const auto from = optimizer->state(), to = resumed->state();
  for (std::size_t i = 0; i < from.size(); ++i)
    to[i].arena->flat().copy_from(from[i].arena->flat());
  resumed->set_steps_taken(optimizer->steps_taken());
  for (int step = 0; step < 2; ++step) {
    model.backward();
    optimizer->step();
    other.backward();
    resumed->step();
  }
  EXPECT_EQ(other.values(), model.values());
}

TEST_P(EveryOptimizer, UpdatesFloat64Parameters) {
  ThreeTensors narrow, wide;
  wide.parameters().values().flat().copy_from(narrow.parameters().values().flat());
  wide.to(Device::cpu(), DType::float64);
  const auto of_narrow = made(narrow), of_wide = made(wide);
  for (int step = 0; step < 3; ++step) {
    narrow.backward();
    of_narrow->step();
    wide.backward();
    of_wide->step();
  }
  EXPECT_THAT(wide.values(), ::testing::Pointwise(::testing::DoubleNear(1e-5), narrow.values()));
}

INSTANTIATE_TEST_SUITE_P(ByName, EveryOptimizer, ::testing::ValuesIn(optimizer_names()),
                         [](const auto& named) { return named.param; });

TEST(OptimizerOptions, OutsideTheirDomainsAreRejectedByName) {
  const auto expect = [](const std::string& name, const OptimizerOptions& options,
                         const std::string& message) {
    EXPECT_THAT([&] { check_optimizer(name, options); },
                ThrowsMessage<ConfigurationError>(HasSubstr(message)));
  };
  for (const std::string name : {"adam", "adamw", "lamb", "lion", "muon"}) {
    expect(name, {.beta1 = 1.0}, name + ": beta1 is 1; it must be in [0, 1)");
    expect(name, {.beta2 = -0.5}, name + ": beta2 is -0.5");
  }
  for (const std::string name : {"adagrad", "adam", "lamb", "muon", "rms_prop"})
    expect(name, {.epsilon = 0.0}, name + ": epsilon is 0");
  expect("rms_prop", {.beta2 = 1.0}, "rms_prop: decay is 1");
  expect("rms_prop", {.momentum = 1.0}, "rms_prop: momentum is 1");
  expect("muon", {.momentum = 1.0}, "muon: momentum is 1");
  expect("muon", {.muon_iterations = 0}, "muon: iterations is 0; it must be in [1, 99]");
  expect("adagrad", {.learning_rate_decay = -1.0}, "adagrad: learning_rate_decay is -1");
  expect("adagrad", {.initial_sum = -1.0}, "adagrad: initial_sum is -1");
  expect("adafactor", {.decay_exponent = 0.5}, "adafactor: decay_exponent is 0.5");
  expect("adafactor", {.epsilon2 = 0.0}, "adafactor: epsilon2 is 0");
  expect("adafactor", {.clip_threshold = 0.0}, "adafactor: clip_threshold is 0");
  expect("adafactor", {.epsilon = std::numeric_limits<double>::infinity()},
         "adafactor: epsilon1 is inf");
}

TEST(Adafactor, HasStateOfRowsAndColumns) {
  ThreeTensors model;
  Adafactor optimizer(model.parameters());
  const auto states = optimizer.state();
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(optimizer.shape_of(states[0], 0), (Shape{5, 1}));
  EXPECT_EQ(optimizer.shape_of(states[1], 0), (Shape{1, 3}));
  EXPECT_EQ(optimizer.shape_of(states[0], 2), (Shape{2, 3, 1}));
  EXPECT_EQ(optimizer.shape_of(states[1], 2), (Shape{2, 1, 2}));
}

TEST(Muon, HasOneMomentOfMatrices) {
  ThreeTensors model;
  Muon optimizer(model.parameters());
  const auto states = optimizer.state();
  EXPECT_EQ(optimizer.shape_of(states[1], 0), Shape{0});
  EXPECT_EQ(optimizer.shape_of(states[1], 1), Shape{});
}

TEST(Orthogonalized, HasSingularValuesNearOne) {
  for (const Shape& shape : {Shape{4, 9}, Shape{9, 4}}) {
    const Tensor x(shape, DType::float64);
    fill_normal(x, 0.0, 1.0, {.seed = 3});
    const Tensor y = orthogonalized(x, 5);
    const Tensor gram =
        shape[0] < shape[1] ? matmul(y, y.transpose(0, 1)) : matmul(y.transpose(0, 1), y);
    double trace = 0;
    for (int i = 0; i < 4; ++i) trace += gram.to_vector<double>()[static_cast<std::size_t>(5 * i)];
    EXPECT_NEAR(trace / 4, 1.0, 0.4);
  }
  EXPECT_EQ(sum(square(orthogonalized(Tensor::zeros({3, 2}), 5))).item(), 0.0);
}

}  // namespace
}  // namespace ripieno::optim
