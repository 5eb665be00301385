// Compares optimizers with their formulas, computed in double for one parameter at a time.
#include "ripieno/core/optim/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "ripieno/core/autograd.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/core/optim/sgd.h"
#include "ripieno/core/random.h"

namespace ripieno::optim {
namespace {

using ::testing::Each;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;

struct Weights : nn::Module {
  Tensor matrix = add_parameter("matrix", {2, 3}, nn::Initial::uniform(1.0));
  Tensor vector = add_parameter("vector", {5}, nn::Initial::uniform(1.0));
};

// A backward whose gradient differs from step to step: of sum(x^2 * (step + 1)).
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

TEST(AdamW, MatchesItsFormula) {
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
      const double decay = i < 6 ? 0.1 : 0.0;  // only the matrix decays
      const double hat_m = m[i] / (1 - std::pow(0.8, step + 1)),
                   hat_v = v[i] / (1 - std::pow(0.95, step + 1));
      x[i] -= 0.05 * (hat_m / (std::sqrt(hat_v) + 1e-8) + decay * x[i]);
    }
    backward(weights, step);
    optimizer.step();
    EXPECT_THAT(all_of(weights), Pointwise(::testing::DoubleNear(2e-6), x)) << "step " << step;
  }
}

TEST(Sgd, MatchesItsFormulaWithMomentumAndNesterov) {
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

TEST(Optimizer, TreatsTheGradientAsZeroIfTheCountIsZero) {
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

TEST(Optimizer, ClipsEachElementOfTheDividedGradientBeforeItsNorm) {
  Weights weights;
  const std::vector<double> before = all_of(weights);
  Sgd optimizer(weights.parameters(), {.learning_rate = 1.0, .max_gradient_value = 0.25});
  backward(weights, 0);
  optimizer.step(Tensor::full({}, 4.0));
  const std::vector<double> after = all_of(weights);
  double squares = 0.0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double clipped = std::clamp(2.0 * before[i] / 4.0, -0.25, 0.25);
    EXPECT_NEAR(after[i], before[i] - clipped, 1e-6);
    squares += clipped * clipped;
  }
  EXPECT_NEAR(optimizer.gradient_norm(), std::sqrt(squares), 1e-5);
}

TEST(Optimizer, ClipsScaledGradientsByTheSameValueAndStillSkipsThoseThatOverflow) {
  Weights plain, scaled;
  Sgd of_plain(plain.parameters(), {.learning_rate = 1.0, .max_gradient_value = 0.25});
  Sgd of_scaled(scaled.parameters(),
                {.learning_rate = 1.0, .max_gradient_value = 0.25, .scales_loss = true});
  sum(square(plain.matrix)).backward();
  of_plain.step();
  sum(square(scaled.matrix)).backward(of_scaled.loss_scale());
  of_scaled.step();
  EXPECT_THAT(all_of(scaled), Pointwise(::testing::DoubleNear(1e-6), all_of(plain)));
  const std::vector<double> before = all_of(scaled);
  sum(scaled.matrix / 0.0).backward(of_scaled.loss_scale());
  of_scaled.step();
  EXPECT_EQ(all_of(scaled), before);
  EXPECT_TRUE(of_scaled.last_step().skips);
}

TEST(Optimizer, TreatsTheGradientOfAnUnusedParameterAsZero) {
  Weights weights;
  Sgd optimizer(weights.parameters(), {.learning_rate = 0.1});
  backward(weights, 0);  // leaves gradients in the arena
  optimizer.step();
  const std::vector<float> before = weights.vector.to_vector<float>();
  sum(square(weights.matrix)).backward();
  optimizer.step();
  EXPECT_EQ(weights.vector.to_vector<float>(), before);
}

TEST(Optimizer, DoesNotChangeAFrozenParameter) {
  Weights weights;
  weights.matrix.set_requires_gradient(false);
  AdamW optimizer(weights.parameters(), {.weight_decay = 0.5});
  const std::vector<float> before = weights.matrix.to_vector<float>();
  sum(square(weights.vector)).backward();
  optimizer.step();
  EXPECT_EQ(weights.matrix.to_vector<float>(), before);
}

TEST(Optimizer, KeepsFloat32MasterWeightsForNarrowParameters) {
  Weights weights;
  weights.to(Device::cpu(), DType::bfloat16);
  Sgd optimizer(weights.parameters(), {.learning_rate = 1e-4});
  Tensor(weights.matrix).set_requires_gradient();
  {
    const NoGrad no_grad;
    Tensor(weights.matrix).fill(1.0);
  }
  for (int step = 0; step < 100; ++step) {  // each update is below the resolution of bfloat16 at 1
    sum(weights.matrix).backward();
    optimizer.step();
  }
  EXPECT_THAT(weights.matrix.to_vector<float>(), Each(FloatNear(0.99f, 0.004f)));
}

TEST(Optimizer, NamesItsState) {
  Weights weights;
  AdamW optimizer(weights.parameters());
  std::vector<std::string> names;
  for (const auto& state : optimizer.state()) names.push_back(state.name);
  EXPECT_THAT(names, ::testing::ElementsAre("first_moment", "second_moment"));
}

// Steps in float16 with a gradient of `factor` for every parameter, times the loss scale.
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

TEST(LossScale, IsHalvedAndTheStepSkippedIfAGradientIsNotFinite) {
  ScaledStep step;
  step.optimizer.set_loss_scale_state({.scale = 4.0f, .good_steps = 5});
  step.take();
  const auto before = step.weights.parameters().values().flat().to_vector<float>();
  const auto moments = step.optimizer.state()[0].arena->flat().to_vector<float>();
  step.take(60000.0);  // times 4 exceeds float16
  EXPECT_EQ(step.weights.parameters().values().flat().to_vector<float>(), before);
  EXPECT_EQ(step.optimizer.state()[0].arena->flat().to_vector<float>(), moments);
  const LossScale state = step.optimizer.loss_scale_state();
  EXPECT_EQ(state.scale, 2.0f);
  EXPECT_EQ(state.good_steps, 0);
  EXPECT_EQ(state.skipped_steps, 1);
  EXPECT_EQ(step.optimizer.steps_taken(), 1);
  EXPECT_EQ(step.optimizer.last_step().loss_scale, 4.0f);
}

TEST(Optimizer, SkipsBadStepsWithoutALossScale) {
  Weights weights;
  AdamW optimizer(weights.parameters(), {.learning_rate = 0.1});
  optimizer.skip_bad_steps();
  EXPECT_FALSE(optimizer.loss_scale().defined());
  backward(weights, 0);
  optimizer.step();
  const auto before = weights.parameters().values().flat().to_vector<float>();
  const auto moments = optimizer.state()[0].arena->flat().to_vector<float>();
  (sum(weights.matrix) * std::nan("")).backward();
  optimizer.step();
  EXPECT_EQ(weights.parameters().values().flat().to_vector<float>(), before);
  EXPECT_EQ(optimizer.state()[0].arena->flat().to_vector<float>(), moments);
  EXPECT_EQ(optimizer.steps_taken(), 1);
  EXPECT_EQ(optimizer.last_step().skipped_steps, 1);
}

TEST(Optimizer, TakesTheSameStepsIfNoneIsSkipped) {
  Weights plain, guarded;
  guarded.parameters().values().flat().copy_from(plain.parameters().values().flat());
  AdamW of_plain(plain.parameters(), {.learning_rate = 0.1, .max_gradient_norm = 0.5});
  AdamW of_guarded(guarded.parameters(), {.learning_rate = 0.1, .max_gradient_norm = 0.5});
  of_guarded.skip_bad_steps(100.0);
  for (int step = 0; step < 30; ++step) {
    backward(plain, step);
    of_plain.step();
    backward(guarded, step);
    of_guarded.step();
  }
  EXPECT_EQ(all_of(guarded), all_of(plain));
  EXPECT_EQ(of_guarded.steps_taken(), 30);
}

TEST(LossScale, IsDoubledAfterTwoThousandGoodSteps) {
  ScaledStep step;
  step.optimizer.set_loss_scale_state({.scale = 4.0f, .good_steps = 1998});
  step.take();
  EXPECT_EQ(step.optimizer.loss_scale_state().scale, 4.0f);
  step.take();
  EXPECT_EQ(step.optimizer.loss_scale_state().scale, 8.0f);
  EXPECT_EQ(step.optimizer.loss_scale_state().good_steps, 0);
}

TEST(LossScale, DoesNotChangeStepsWhoseGradientsFitFloat16) {
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

TEST(LossScale, PreservesAGradientThatFloat16WouldUnderflow) {
  ScaledStep step;
  const auto before = all_of(step.weights);
  step.take(1e-9);
  EXPECT_NE(all_of(step.weights), before);
  EXPECT_GT(step.optimizer.gradient_norm(), 0.0);
}

// The largest change of the matrix in `steps` steps; the vector is trained too.
double moved_in(Weights& weights, Optimizer& optimizer, int steps) {
  const std::vector<double> before = weights.matrix.to_vector<double>();
  for (int step = 0; step < steps; ++step) {
    backward(weights, step);
    optimizer.step();
  }
  double largest = 0.0;
  const std::vector<double> after = weights.matrix.to_vector<double>();
  for (std::size_t i = 0; i < after.size(); ++i)
    largest = std::max(largest, std::abs(after[i] - before[i]));
  return largest;
}

TEST(Freezing, TakesEffectAfterTheFirstStep) {
  Weights weights;
  AdamW optimizer(weights.parameters(), {.learning_rate = 0.1, .weight_decay = 0.1});
  EXPECT_GT(moved_in(weights, optimizer, 3), 0.0);
  weights.freeze("matrix");
  EXPECT_EQ(moved_in(weights, optimizer, 3), 0.0);
  weights.thaw("matrix");
  EXPECT_GT(moved_in(weights, optimizer, 3), 0.0);
}

TEST(Freezing, UnfreezesParametersFrozenFromTheStart) {
  Weights weights;
  weights.freeze("mat*");
  Sgd optimizer(weights.parameters(), {.learning_rate = 0.1, .momentum = 0.9});
  EXPECT_EQ(moved_in(weights, optimizer, 2), 0.0);
  weights.thaw();
  EXPECT_GT(moved_in(weights, optimizer, 1), 0.0);
}

TEST(Freezing, ResetsTheState) {
  Weights weights;
  AdamW optimizer(weights.parameters());
  moved_in(weights, optimizer, 1);
  const OptimizerState::Part moment = optimizer.part_of(optimizer.state()[0], 0);
  EXPECT_NE(moment.part.to_vector<float>()[0], 0.0f);
  weights.freeze("matrix");
  moved_in(weights, optimizer, 1);
  EXPECT_THAT(moment.part.to_vector<float>(), Each(0.0f));
}

// A graph that was recorded before freezing still computes a gradient.
TEST(Freezing, ExcludesTheGradientFromTheNorm) {
  Weights weights;
  AdamW optimizer(weights.parameters());
  moved_in(weights, optimizer, 1);
  const std::vector<double> x = weights.vector.to_vector<double>();
  double squares = 0.0;
  for (const double value : x) squares += 4.0 * value * value;
  const Tensor loss = sum(square(weights.matrix)) + sum(square(weights.vector));
  weights.freeze("matrix");
  loss.backward();
  optimizer.step();
  EXPECT_NEAR(optimizer.gradient_norm(), std::sqrt(squares), 1e-5);
}

TEST(ParameterGroups, SetLearningRateAndDecayPerParameter) {
  Weights weights;
  Sgd optimizer(weights.parameters(),
                {.learning_rate = 0.1,
                 .weight_decay = 0.5,
                 .groups = {{.selects = named("mat*"), .weight_decay = 0.0},
                            {.selects = named("*"), .learning_rate_factor = 0.25}}});
  std::vector<double> x = all_of(weights);
  for (int step = 0; step < 3; ++step) {
    const std::vector<double> g = gradients_by_hand(x, step, 0.0);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= (i < 6 ? 0.1 : 0.025) * g[i];
    backward(weights, step);
    optimizer.step();
  }
  EXPECT_THAT(all_of(weights), Pointwise(::testing::DoubleNear(2e-6), x));
}

TEST(ParameterGroups, TheFirstMatchingGroupApplies) {
  const ParameterGroups groups({{.selects = named("blocks.*.bias"), .weight_decay = 0.3},
                                {.selects = named("blocks.*"), .learning_rate_factor = 0.1}},
                               0.5, {});
  const auto bias = groups.of({"blocks.0.up.bias", {4}, 0, 4});
  EXPECT_EQ(bias.group, 0);
  EXPECT_EQ(bias.weight_decay, 0.3);
  EXPECT_EQ(bias.learning_rate_factor, 1.0);
  const auto weight = groups.of({"blocks.0.up.weight", {4, 4}, 0, 16});
  EXPECT_EQ(weight.group, 1);
  EXPECT_EQ(weight.weight_decay, 0.5);
  EXPECT_EQ(groups.of({"norm.weight", {4}, 0, 4}).weight_decay, 0.0) << "not a matrix";
}

TEST(ParameterGroups, RejectInvalidSettings) {
  const auto groups = [](ParameterGroup group) { return ParameterGroups({group}, 0.0, {}); };
  EXPECT_THROW(groups({.selects = {}}), ConfigurationError);
  EXPECT_THROW(groups({.selects = named("*"), .learning_rate_factor = -1.0}), ConfigurationError);
  EXPECT_THROW(groups({.selects = named("*"), .weight_decay = std::nan("")}), ConfigurationError);
}

TEST(Optimizer, UpdatesMasterWeightsFromWrittenNarrowParameters) {
  for (const DType dtype : {DType::bfloat16, DType::float16}) {
    Weights weights;
    weights.to(Device::cpu(), dtype);
    Sgd optimizer(weights.parameters(), {.learning_rate = 1e-4});
    sum(weights.matrix).backward();
    optimizer.step();
    weights.matrix.detach().fill(3.0);
    sum(weights.matrix).backward();
    optimizer.step();
    EXPECT_THAT(weights.matrix.to_vector<float>(), Each(FloatNear(3.0f, 0.01f)));
  }
}

TEST(Optimizer, RejectsACountThatIsNotOneNumberAndChangesNothing) {
  Weights weights;
  AdamW optimizer(weights.parameters());
  const std::vector<double> before = all_of(weights);
  backward(weights, 0);
  for (const Shape& shape : {Shape{0}, Shape{4, 4}}) {
    const Tensor wrong = Tensor::full(shape, 2.0);
    const auto names_it = ThrowsMessage<Error>(
        HasSubstr("optimizer.step: count is " + to_string(shape) + " float32 on cpu"));
    EXPECT_THAT([&] { optimizer.step(wrong); }, names_it);
    EXPECT_THAT([&] { optimizer.apply_step(wrong); }, names_it);
  }
  EXPECT_EQ(optimizer.steps_taken(), 0);
  EXPECT_EQ(all_of(weights), before);
  optimizer.step(Tensor::full({1}, 2.0));
  EXPECT_EQ(optimizer.steps_taken(), 1);
}

TEST(Optimizer, RejectsALearningRateThatIsNegativeOrNotFinite) {
  Weights weights;
  Sgd optimizer(weights.parameters(), {.learning_rate = 0.5});
  for (const double rate : {-0.1, std::nan(""), HUGE_VAL, 1e39}) {
    EXPECT_THAT([&] { optimizer.set_learning_rate(rate); },
                ThrowsMessage<ConfigurationError>(HasSubstr("optimizer: learning_rate is")));
  }
  EXPECT_EQ(optimizer.learning_rate(), 0.5);
  EXPECT_NO_THROW(optimizer.set_learning_rate(0.0));
}

TEST(Optimizer, StepOfALossIsItsBackwardAndAStepOfItsCount) {
  for (const bool scales : {false, true}) {
    Weights a, b;
    AdamW of_a(a.parameters(), {.scales_loss = scales}),
        of_b(b.parameters(), {.scales_loss = scales});
    for (int step = 0; step < 3; ++step) {
      const auto loss_of = [](const Weights& weights) {
        return Loss::over(sum(square(weights.matrix)), 6);
      };
      of_a.step(loss_of(a));
      const Loss loss = loss_of(b);
      loss.sum.backward(of_b.loss_scale());
      of_b.step(loss.count);
      EXPECT_EQ(all_of(a), all_of(b));
      EXPECT_EQ(of_a.gradient_norm(), of_b.gradient_norm());
    }
  }
}

// A recorded step has its address.
TEST(Optimizer, ALossScaleThatIsSetStaysInItsMemory) {
  Weights weights;
  AdamW optimizer(weights.parameters(), {.scales_loss = true});
  const Tensor scale = optimizer.loss_scale();
  optimizer.set_loss_scale_state({.scale = 4.0f});
  EXPECT_EQ(scale.item(), 4.0);
  EXPECT_EQ(optimizer.loss_scale().raw_data(), scale.raw_data());
}

TEST(Optimizer, RejectsALossWithoutACountBeforeItsBackward) {
  Weights weights;
  Sgd optimizer(weights.parameters(), {});
  const Loss loss{sum(square(weights.matrix)), {}};
  EXPECT_THAT([&] { optimizer.step(loss); },
              ThrowsMessage<Error>(HasSubstr("optimizer.step: loss.count is undefined")));
  EXPECT_FALSE(weights.matrix.gradient().defined());
}

TEST(Optimizer, StepsDrawOtherDropoutMasks) {
  const ScopedRandomContext as_after_the_start{RandomContext{.seed = 3}};
  Weights weights;
  Sgd optimizer(weights.parameters(), {.learning_rate = 0.1});
  std::set<std::vector<float>> masks;
  for (int step = 0; step < 5; ++step) {
    masks.insert(dropout(Tensor::full({64}, 1.0), 0.5, 7).to_vector<float>());
    backward(weights, step);
    optimizer.step();
  }
  EXPECT_THAT(masks, SizeIs(5));
}

// A captured graph replays only apply_step(), after the host has written the scalars again.
TEST(Optimizer, UsesTheLearningRateOfTheLastBeginStep) {
  Weights a, b;
  AdamW of_a(a.parameters()), of_b(b.parameters());
  for (int step = 0; step < 3; ++step) {
    const double rate = 0.1 / (step + 1);
    of_a.set_learning_rate(rate);
    backward(a, step);
    of_a.step();
    of_b.set_learning_rate(rate);
    of_b.begin_step();
    of_b.set_learning_rate(7.0);  // takes effect at the next begin_step()
    backward(b, step);
    of_b.apply_step();
    EXPECT_EQ(all_of(a), all_of(b));
  }
}

TEST(AdamW, DoesNotChangeAParameterWithoutGradientIfEpsilonIsTiny) {
  Weights weights;
  AdamW optimizer(weights.parameters(), {.learning_rate = 0.1, .epsilon = 1.2e-38});
  const std::vector<float> before = weights.vector.to_vector<float>();
  sum(square(weights.matrix)).backward();
  optimizer.step();
  EXPECT_EQ(weights.vector.to_vector<float>(), before);
}

TEST(AdamW, FirstStepHasTheSizeOfTheLearningRateForBetasNearOne) {
  for (const double beta2 : {0.99999, 0.99999999}) {
    Weights weights;
    const std::vector<double> before = all_of(weights);
    AdamW optimizer(weights.parameters(), {.learning_rate = 0.01, .beta2 = beta2});
    backward(weights, 0);
    optimizer.step();
    const std::vector<double> after = all_of(weights);
    for (std::size_t i = 0; i < after.size(); ++i)
      EXPECT_NEAR(std::abs(after[i] - before[i]), 0.01, 2e-7) << beta2;
  }
}

// LAMB (You et al., 2020, arXiv 1904.00962): an update rule that needs the norm of a whole tensor.
class Lamb final : public Optimizer {
 public:
  Lamb(Parameters parameters, const Common& common) : Optimizer(std::move(parameters), common) {}
  bool needs_whole_tensors() const override { return true; }

 private:
  void prepare() override {
    add_state("first_moment");
    add_state("second_moment");
    add_state("updates", {.dtype = DType::float64, .shape = [](const auto&) { return Shape{}; }});
  }
  std::pair<double, double> decays_of_moments() const override { return {0.9, 0.999}; }
  void update_tensor(const ParameterView& x) override {
    Tensor w = x.values, m = x.state("first_moment"), v = x.state("second_moment");
    Tensor updates = x.state("updates");
    m.copy_from(m * 0.9 + x.gradient * 0.1);
    v.copy_from(v * 0.999 + square(x.gradient) * 0.001);
    const Tensor deviation = sqrt(v * x.second_correction) + 1e-6;
    const Tensor direction = m * x.first_correction / deviation + w * x.weight_decay;
    const Tensor trust = sqrt(sum(square(w))) / sqrt(sum(square(direction)));
    w.copy_from(w - direction * (trust * x.learning_rate));
    updates.copy_from(updates + 1.0);
  }
};

TEST(Lamb, UpdatesATensorByTheLearningRateTimesItsNorm) {
  Weights weights;
  weights.to(Device::cpu(), DType::bfloat16);
  Lamb optimizer(weights.parameters(), {.learning_rate = 0.25});
  const auto norm = [](const Tensor& x) {
    return std::sqrt(sum(square(x.to(DType::float64))).item());
  };
  const Tensor before = weights.matrix.detach().clone();
  sum(square(weights.matrix)).backward();
  optimizer.step();
  const Tensor change = weights.matrix.detach().to(DType::float64) - before.to(DType::float64);
  EXPECT_NEAR(norm(change), 0.25 * norm(before), 0.02 * norm(before));
}

TEST(Lamb, KeepsStateWithItsOwnShapesAndTypes) {
  Weights weights;
  Lamb optimizer(weights.parameters(), {});
  for (int step = 0; step < 2; ++step) {
    backward(weights, step);
    optimizer.step();
  }
  const auto last = optimizer.state().back();
  EXPECT_EQ(last.name, "updates");
  EXPECT_EQ(optimizer.shape_of(last, 0), Shape{});
  const Tensor updates = optimizer.part_of(last, 0).part;
  EXPECT_EQ(updates.dtype(), DType::float64);
  EXPECT_EQ(updates.item(), 2.0);
}

TEST(Lamb, RejectsAShardThatSplitsATensor) {
  Weights weights;
  Lamb optimizer(weights.parameters(), {});
  EXPECT_THROW(optimizer.shard({.ranges = {{0, 3}}}), Error);
  EXPECT_NO_THROW(optimizer.shard({.ranges = {{0, ArenaLayout::kAlignment}}}));
  EXPECT_TRUE(optimizer.part_of(optimizer.state().back(), 0).part.defined());
  EXPECT_FALSE(optimizer.part_of(optimizer.state().back(), 1).part.defined());
}

TEST(Optimizer, RefusesRangesThatOverlapOrAreReversedOrExceedTheLayout) {
  constexpr int64_t kUnit = ArenaLayout::kAlignment;
  const std::vector<std::vector<ElementRange>> cases = {
      {{0, kUnit}, {0, kUnit}}, {{kUnit, 0}}, {{0, int64_t{1} << 62}}, {{-kUnit, kUnit}}};
  for (const auto& ranges : cases) {
    Weights weights;
    AdamW optimizer(weights.parameters());
    EXPECT_THAT([&] { optimizer.shard({.ranges = ranges}); },
                ThrowsMessage<Error>(HasSubstr("optimizer.shard: the range [")));
  }
}

TEST(Optimizer, RefusesNumbersOfStepsAndLossScalesThatNoTrainingReaches) {
  Weights weights;
  AdamW optimizer(weights.parameters(), {.scales_loss = true});
  EXPECT_THROW(optimizer.set_steps_taken(-1), Error);
  EXPECT_THROW(optimizer.set_steps_taken(std::numeric_limits<int64_t>::max()), Error);
  auto state = optimizer.loss_scale_state();
  for (const double scale : {0.0, -1.0, std::nan(""), 1e300}) {
    state.scale = static_cast<decltype(state.scale)>(scale);
    EXPECT_THROW(optimizer.set_loss_scale_state(state), Error) << scale;
  }
}

TEST(Optimizers, AreCreatedByName) {
  Weights weights;
  for (const std::string& name : optimizer_names()) {
    EXPECT_NE(make_optimizer(name, weights.parameters(), {}), nullptr) << name;
    EXPECT_NO_THROW(check_optimizer(name, {}));
  }
  EXPECT_THROW(make_optimizer("adams", weights.parameters(), {}), ConfigurationError);
  EXPECT_THROW(check_optimizer("adamw", {.beta1 = 1.0}), ConfigurationError);
  EXPECT_THROW(check_optimizer("sgd", {.momentum = 1.0}), ConfigurationError);
}

TEST(Optimizer, RejectsInvalidSettings) {
  Weights weights;
  EXPECT_THROW(AdamW(weights.parameters(), {.beta1 = 1.0}), ConfigurationError);
  EXPECT_THROW(AdamW(weights.parameters(), {.epsilon = 0.0}), ConfigurationError);
  EXPECT_THROW(AdamW(weights.parameters(), {.epsilon = 1e-50}), ConfigurationError)
      << "0 as a float";
  EXPECT_THROW(AdamW(weights.parameters(), {.learning_rate = 1e300}), ConfigurationError);
  EXPECT_THROW(AdamW(weights.parameters(), {.learning_rate = -1.0}), ConfigurationError);
  EXPECT_THROW(Sgd(weights.parameters(), {.nesterov = true}), ConfigurationError);
}

}  // namespace
}  // namespace ripieno::optim
