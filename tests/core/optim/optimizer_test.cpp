// Optimizers against the formulas written out in double, one parameter at a time.
#include "ripieno/core/optim/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ripieno/core/autograd.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/optim/sgd.h"

namespace ripieno::optim {
namespace {

using ::testing::Each;
using ::testing::FloatNear;
using ::testing::Pointwise;

struct Weights : nn::Module {
  Tensor matrix = add_parameter("matrix", {2, 3}, nn::Initial::uniform(1.0));
  Tensor vector = add_parameter("vector", {5}, nn::Initial::uniform(1.0));
};

// A gradient that differs from step to step: of sum(x^2 * (step + 1)).
void backward(const Weights& weights, int step) {
  ((sum(square(weights.matrix)) + sum(square(weights.vector))) * (step + 1.0)).backward();
}

std::vector<double> all_of(const Weights& weights) {
  std::vector<double> values = weights.matrix.to_vector<double>();
  const std::vector<double> rest = weights.vector.to_vector<double>();
  values.insert(values.end(), rest.begin(), rest.end());
  return values;
}

// The gradients of one step: 2 x (step + 1), clipped to `max_norm`.
std::vector<double> gradients_by_hand(const std::vector<double>& x, int step, double max_norm) {
  std::vector<double> gradients;
  double squares = 0.0;
  for (const double value : x) {
    gradients.push_back(2.0 * value * (step + 1.0));
    squares += gradients.back() * gradients.back();
  }
  const double scale = max_norm > 0.0 ? std::min(1.0, max_norm / std::sqrt(squares)) : 1.0;
  for (double& gradient : gradients) gradient *= scale;
  return gradients;
}

TEST(AdamW, FollowsItsFormula) {
  Weights weights;
  const AdamWOptions options = {.learning_rate = 0.05,
                                .beta1 = 0.8,
                                .beta2 = 0.95,
                                .weight_decay = 0.1,
                                .max_gradient_norm = 2.0};
  AdamW optimizer(weights.parameters(), options);
  std::vector<double> x = all_of(weights), m(11, 0.0), v(11, 0.0);
  for (int step = 0; step < 5; ++step) {
    const std::vector<double> g = gradients_by_hand(x, step, 2.0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      m[i] = 0.8 * m[i] + 0.2 * g[i];
      v[i] = 0.95 * v[i] + 0.05 * g[i] * g[i];
      const double decay = i < 6 ? 0.1 : 0.0;  // the matrix alone
      const double hat_m = m[i] / (1 - std::pow(0.8, step + 1)),
                   hat_v = v[i] / (1 - std::pow(0.95, step + 1));
      x[i] -= 0.05 * (hat_m / (std::sqrt(hat_v) + 1e-8) + decay * x[i]);
    }
    backward(weights, step);
    optimizer.step();
    EXPECT_THAT(all_of(weights), Pointwise(::testing::DoubleNear(2e-6), x)) << "step " << step;
  }
}

TEST(Sgd, FollowsItsFormulaWithMomentumAndNesterov) {
  for (const bool nesterov : {false, true}) {
    Weights weights;
    Sgd optimizer(
        weights.parameters(),
        {.learning_rate = 0.02, .momentum = 0.9, .nesterov = nesterov, .weight_decay = 0.1});
    std::vector<double> x = all_of(weights), velocity(11, 0.0);
    for (int step = 0; step < 4; ++step) {
      const std::vector<double> g = gradients_by_hand(x, step, 0.0);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double gradient = g[i] + (i < 6 ? 0.1 : 0.0) * x[i];
        velocity[i] = 0.9 * velocity[i] + gradient;
        x[i] -= 0.02 * (nesterov ? gradient + 0.9 * velocity[i] : velocity[i]);
      }
      backward(weights, step);
      optimizer.step();
      EXPECT_THAT(all_of(weights), Pointwise(::testing::DoubleNear(2e-6), x)) << "step " << step;
    }
  }
}

TEST(Optimizer, DividesByTheCount) {
  Weights a, b;
  Sgd of_a(a.parameters(), {.learning_rate = 0.1}), of_b(b.parameters(), {.learning_rate = 0.1});
  backward(a, 0);
  of_a.step();
  backward(b, 0);
  backward(b, 0);
  of_b.step(Tensor::full({}, 2.0));
  EXPECT_THAT(all_of(a), Pointwise(::testing::DoubleNear(1e-7), all_of(b)));
}

TEST(Optimizer, TakesNoStepWhereTheCountIsZero) {
  Weights weights;
  Sgd optimizer(weights.parameters(), {.learning_rate = 0.1});
  const std::vector<double> before = all_of(weights);
  backward(weights, 0);
  optimizer.step(Tensor::full({}, 0.0));
  EXPECT_EQ(all_of(weights), before);
}

TEST(Optimizer, ReportsTheNormBeforeClipping) {
  Weights weights;
  AdamW optimizer(weights.parameters(), {.max_gradient_norm = 1e-3});
  double squares = 0.0;
  for (const double x : all_of(weights)) squares += 4.0 * x * x;
  backward(weights, 0);
  optimizer.step();
  EXPECT_NEAR(optimizer.gradient_norm(), std::sqrt(squares), 1e-5);
}

TEST(Optimizer, TreatsAParameterThatWasNotUsedAsOneWithoutGradient) {
  Weights weights;
  Sgd optimizer(weights.parameters(), {.learning_rate = 0.1});
  backward(weights, 0);  // leaves numbers in the arena
  optimizer.step();
  const std::vector<float> before = weights.vector.to_vector<float>();
  sum(square(weights.matrix)).backward();
  optimizer.step();
  EXPECT_EQ(weights.vector.to_vector<float>(), before);
}

TEST(Optimizer, LeavesAFrozenParameterAsItIs) {
  Weights weights;
  weights.matrix.set_requires_gradient(false);
  AdamW optimizer(weights.parameters(), {.weight_decay = 0.5});
  const std::vector<float> before = weights.matrix.to_vector<float>();
  sum(square(weights.vector)).backward();
  optimizer.step();
  EXPECT_EQ(weights.matrix.to_vector<float>(), before);
}

TEST(Optimizer, KeepsTheTruthInFloatWhereParametersAreNarrower) {
  Weights weights;
  weights.to(Device::cpu(), DType::bfloat16);
  Sgd optimizer(weights.parameters(), {.learning_rate = 1e-4});
  Tensor(weights.matrix).set_requires_gradient();
  {
    const NoGrad no_grad;
    Tensor(weights.matrix).fill(1.0);
  }
  for (int step = 0; step < 100; ++step) {  // each step is below what bfloat16 resolves at 1
    sum(weights.matrix).backward();
    optimizer.step();
  }
  EXPECT_THAT(weights.matrix.to_vector<float>(), Each(FloatNear(0.99f, 0.004f)));
}

TEST(Optimizer, StateSurvivesBeingCopiedOut) {
  Weights weights;
  AdamW optimizer(weights.parameters());
  std::vector<std::string> names;
  for (const auto& slot : optimizer.state()) names.push_back(slot.name);
  EXPECT_THAT(names, ::testing::ElementsAre("first_moment", "second_moment"));
}

// In float16, with a gradient of 0.5 everywhere, times what the loss is scaled by.
struct ScaledStep {
  Weights weights;
  AdamW optimizer{weights.parameters(), {.learning_rate = 0.1, .scales_loss = true}};

  ScaledStep() { weights.to(Device::cpu(), DType::float16); }
  void take(double factor = 0.5) {
    const Tensor loss = (sum(weights.matrix) + sum(weights.vector)).to(DType::float32) * factor;
    loss.backward(optimizer.loss_scale());
    optimizer.step();
  }
};

TEST(LossScale, HalvesAndSkipsTheStepWhereAGradientIsNotFinite) {
  ScaledStep step;
  step.optimizer.set_loss_scale_state({.scale = 4.0f, .good_steps = 5});
  step.take();
  const auto before = step.weights.parameters().values().flat().to_vector<float>();
  const auto moments = step.optimizer.state()[0].arena->flat().to_vector<float>();
  step.take(60000.0);  // times 4 is beyond float16
  EXPECT_EQ(step.weights.parameters().values().flat().to_vector<float>(), before);
  EXPECT_EQ(step.optimizer.state()[0].arena->flat().to_vector<float>(), moments);
  const LossScale state = step.optimizer.loss_scale_state();
  EXPECT_EQ(state.scale, 2.0f);
  EXPECT_EQ(state.good_steps, 0);
  EXPECT_EQ(state.skipped_steps, 1);
  EXPECT_EQ(step.optimizer.steps_taken(), 1);
  EXPECT_EQ(step.optimizer.last_step().loss_scale, 4.0f);
}

TEST(LossScale, DoublesAfterTwoThousandGoodSteps) {
  ScaledStep step;
  step.optimizer.set_loss_scale_state({.scale = 4.0f, .good_steps = 1998});
  step.take();
  EXPECT_EQ(step.optimizer.loss_scale_state().scale, 4.0f);
  step.take();
  EXPECT_EQ(step.optimizer.loss_scale_state().scale, 8.0f);
  EXPECT_EQ(step.optimizer.loss_scale_state().good_steps, 0);
}

TEST(LossScale, ChangesNoStepWhoseGradientsFitAnyway) {
  ScaledStep scaled;
  scaled.optimizer.set_loss_scale_state({.scale = 1024.0f});
  Weights plain;
  plain.to(Device::cpu(), DType::float16);
  AdamW optimizer(plain.parameters(), {.learning_rate = 0.1});
  for (int i = 0; i < 3; ++i) {
    scaled.take();
    ((sum(plain.matrix) + sum(plain.vector)).to(DType::float32) * 0.5).backward();
    optimizer.step();
    EXPECT_EQ(all_of(scaled.weights), all_of(plain));
    EXPECT_EQ(scaled.optimizer.gradient_norm(), optimizer.gradient_norm());
  }
}

TEST(LossScale, KeepsAGradientThatFloat16AloneWouldLose) {
  ScaledStep step;
  const auto before = all_of(step.weights);
  step.take(1e-9);
  EXPECT_NE(all_of(step.weights), before);
  EXPECT_GT(step.optimizer.gradient_norm(), 0.0);
}

TEST(Optimizer, RefusesSettingsThatMakeNoSense) {
  Weights weights;
  EXPECT_THROW(AdamW(weights.parameters(), {.beta1 = 1.0}), ConfigurationError);
  EXPECT_THROW(AdamW(weights.parameters(), {.learning_rate = -1.0}), ConfigurationError);
  EXPECT_THROW(Sgd(weights.parameters(), {.nesterov = true}), ConfigurationError);
}

}  // namespace
}  // namespace ripieno::optim
