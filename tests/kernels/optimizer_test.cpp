#include "ripieno/kernels/optimizer.h"

#include <cmath>
#include <limits>

#include "kernels/values.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::kernels {
namespace {

constexpr int64_t kSize = 10000;
// The first elements and those between the segments belong to no segment.
constexpr ParameterSegment kSegments[] = {
    {3, 500, 0.1f}, {500, 4100, 0.0f}, {4200, 9999, 0.5f, 0.25f}};
constexpr StepScalars kScalars{.learning_rate = 0.01f,
                               .gradient_scale = 0.5f,
                               .first_correction = 1.7f,
                               .second_correction = 2.9f};

// Calls body(i, weight_decay, learning_rate) for each element of a segment.
template <typename Body>
void for_each_element(const Body& body) {
  for (const ParameterSegment& s : kSegments) {
    const double rate = kScalars.learning_rate * s.learning_rate_factor;
    for (int64_t i = s.begin; i < s.end; ++i) body(i, static_cast<double>(s.weight_decay), rate);
  }
}

template <typename T>
struct State {
  std::vector<T> parameter = random_values<T>(kSize, 1);
  std::vector<T> gradient = random_values<T>(kSize, 2);
  std::vector<float> master, first = random_values<float>(kSize, 3, -0.1, 0.1),
                             second = random_values<float>(kSize, 4, 0.1, 0.2);

  explicit State(bool with_master) {
    if (with_master) {
      for (const double x : to_doubles(parameter)) master.push_back(static_cast<float>(x));
    }
  }
  float* master_data() { return master.empty() ? nullptr : master.data(); }
  ArenaStep<T> arena() {
    return {parameter.data(), master_data(), gradient.data(), kSize, kSegments, 3, &kScalars};
  }
  void adamw_step() {
    adamw(OnCpu{}, arena(), first.data(), second.data(),
          AdamWConstants{.beta1 = 0.8, .beta2 = 0.9});
  }
  void sgd_step(float momentum, bool nesterov) {
    sgd(OnCpu{}, arena(), momentum == 0.0f ? nullptr : first.data(),
        SgdConstants{.momentum = momentum, .nesterov = nesterov});
  }
};

// Moments and velocity are float for all parameter types.
template <typename T>
constexpr double kOfFloatState = 16.0 * kEpsilon<float> / kEpsilon<accumulator_t<T>>;

template <typename T>
class Optimizer : public testing::Test {};
TYPED_TEST_SUITE(Optimizer, Floats);

TYPED_TEST(Optimizer, AdamWFollowsThePaper) {
  for (const bool with_master : {false, true}) {
    State<TypeParam> state(with_master);
    auto p = to_doubles(state.parameter), m = to_doubles(state.first), v = to_doubles(state.second);
    for_each_element([&](int64_t i, double decay, double rate) {
      const double g = to_double(state.gradient[i]) * 0.5, b1 = 0.8, b2 = 0.9;
      m[i] = b1 * m[i] + (1 - b1) * g;
      v[i] = b2 * v[i] + (1 - b2) * g * g;
      p[i] -= rate * decay * p[i];
      p[i] -= rate * m[i] * 1.7f / (std::sqrt(v[i] * 2.9f) + 1e-8f);
    });
    state.adamw_step();
    expect_close(state.parameter, p, kOfFloatState<TypeParam>);
    expect_close(state.first, m);
    expect_close(state.second, v);
    if (with_master) expect_close(state.master, p);
  }
}

TYPED_TEST(Optimizer, SgdFollowsPyTorchsDefinition) {
  for (const bool with_master : {false, true}) {
    for (const auto& [momentum, nesterov] : {std::pair{0.0f, false}, {0.9f, false}, {0.9f, true}}) {
      State<TypeParam> state(with_master);
      auto p = to_doubles(state.parameter), velocity = to_doubles(state.first);
      for_each_element([&](int64_t i, double decay, double rate) {
        const double g = to_double(state.gradient[i]) * 0.5 + decay * p[i], mu = momentum;
        if (momentum != 0.0f) velocity[i] = mu * velocity[i] + g;
        const double step = momentum == 0.0f ? g : nesterov ? g + mu * velocity[i] : velocity[i];
        p[i] -= rate * step;
      });
      state.sgd_step(momentum, nesterov);
      expect_close(state.parameter, p, kOfFloatState<TypeParam>);
      expect_close(state.first, velocity);
      if (with_master) expect_close(state.master, p);
    }
  }
}

TYPED_TEST(Optimizer, DoesNotTouchElementsOutsideSegments) {
  State<TypeParam> state(true);
  const State<TypeParam> before(true);
  state.adamw_step();
  for (const int64_t i : {0, 2, 4100, 4199, 9999}) {
    EXPECT_EQ(to_double(state.parameter[i]), to_double(before.parameter[i]));
    EXPECT_EQ(state.first[i], before.first[i]);
  }
}

TYPED_TEST(Optimizer, ParameterIsTheRoundedMaster) {
  State<TypeParam> state(true);
  state.adamw_step();
  for_each_element([&](int64_t i, double, double) {
    ASSERT_EQ(to_double(state.parameter[i]), to_double(TypeParam(state.master[i])));
  });
}

TYPED_TEST(Optimizer, DoesNotDependOnTheNumberOfThreads) {
  State<TypeParam> alone(false), together(false);
  alone.adamw_step();
  set_cpu_threads(3);
  together.adamw_step();
  set_cpu_threads(1);
  expect_identical(together.parameter, alone.parameter);
  expect_identical(together.second, alone.second);
}

// The first step equals the learning rate for any beta2, if 1 - beta2 is computed accurately.
TEST(AdamW, ComputesOneMinusBetaBeforeRounding) {
  for (const double beta2 : {0.999, 0.99999, 0.99999999}) {
    float parameter = 0.0f, first = 0.0f, second = 0.0f;
    const float gradient = 0.5f;
    const ParameterSegment segment{0, 1};
    const StepScalars scalars{.learning_rate = 0.01f,
                              .first_correction = static_cast<float>(1.0 / (1.0 - 0.9)),
                              .second_correction = static_cast<float>(1.0 / (1.0 - beta2))};
    adamw<float>(OnCpu{}, {&parameter, nullptr, &gradient, 1, &segment, 1, &scalars}, &first,
                 &second, {.beta2 = beta2});
    EXPECT_NEAR(parameter, -0.01f, 1e-8f) << beta2;
  }
}

TEST(UpdateMaster, ReplacesOnlyValuesThatDifferFromTheRoundedMaster) {
  std::vector<float> master = {1.0f, 1.001f, 2.0f, -0.0f, 1e-30f};
  std::vector<bfloat16> parameter;
  for (const float x : master) parameter.push_back(bfloat16(x));
  parameter[2] = bfloat16(3.0f);
  update_master(OnCpu{}, master.data(), parameter.data(), 5);
  EXPECT_EQ(master, (std::vector<float>{1.0f, 1.001f, 3.0f, -0.0f, 1e-30f}));
}

TEST(StepScalars, ClipsTheNormOfTheMean) {
  StepScalars scalars;
  const double sum_of_squares = 400.0, count = 10.0;  // norm 20 / 10 = 2
  finish_step_scalars(OnCpu{}, &scalars, &sum_of_squares, &count, 1.0);
  EXPECT_FLOAT_EQ(scalars.gradient_scale, 0.05f);
  EXPECT_FLOAT_EQ(scalars.gradient_norm, 2.0f);
}

TEST(StepScalars, DoNotClipBelowOrWithoutALimit) {
  const double sum_of_squares = 400.0, count = 10.0;
  for (const double limit : {2.5, 0.0, -1.0}) {
    StepScalars scalars;
    finish_step_scalars(OnCpu{}, &scalars, &sum_of_squares, &count, limit);
    EXPECT_FLOAT_EQ(scalars.gradient_scale, 0.1f);
  }
}

TEST(StepScalars, ForZeroTokensScaleByZero) {
  StepScalars scalars;
  const double nothing = 0.0;
  finish_step_scalars(OnCpu{}, &scalars, &nothing, &nothing, 1.0);
  EXPECT_EQ(scalars.gradient_scale, 0.0f);
  EXPECT_EQ(scalars.gradient_norm, 0.0f);
}

// Steps of one gradient each, without a loss scale.
struct GuardedSteps {
  LossScale state{.scale = 1.0f, .is_fixed = 1, .outlier_factor = 10.0};
  StepScalars scalars = {};
  int64_t take(double norm) {
    const double sum_of_squares = norm * norm, count = 1.0;
    finish_scaled_step_scalars(OnCpu{}, &scalars, &state, &sum_of_squares, &count, 0.0, 0.9, 0.99);
    return scalars.skips;
  }
};

TEST(GuardedSteps, SkipGradientsThatAreNotFiniteAndKeepTheScale) {
  GuardedSteps steps;
  EXPECT_EQ(steps.take(2.0), kTakesStep);
  EXPECT_EQ(steps.take(std::nan("")), kNotFinite);
  EXPECT_EQ(steps.take(std::numeric_limits<double>::infinity()), kNotFinite);
  EXPECT_EQ(steps.state.scale, 1.0f);
  EXPECT_EQ(steps.state.steps, 1);
  EXPECT_EQ(steps.scalars.skipped_steps, 2);
  for (int i = 0; i < kGoodStepsToDouble; ++i) steps.take(2.0);
  EXPECT_EQ(steps.state.scale, 1.0f);
}

TEST(GuardedSteps, SkipOutliersOnceTheMeanIsKnown) {
  GuardedSteps steps;
  EXPECT_EQ(steps.take(1.0), kTakesStep);
  EXPECT_EQ(steps.take(100.0), kTakesStep);  // the norms of the first steps vary
  steps.state.mean_norm = 1.0;
  for (int64_t i = 2; i < kNormsForOutliers; ++i) EXPECT_EQ(steps.take(1.0), kTakesStep);
  EXPECT_EQ(steps.take(9.0), kTakesStep);
  EXPECT_EQ(steps.take(100.0), kOutlier);
  const double mean = steps.state.mean_norm;
  EXPECT_EQ(steps.take(1e6), kOutlier);
  EXPECT_EQ(steps.state.mean_norm, mean);
  steps.state.outlier_factor = 0.0;
  EXPECT_EQ(steps.take(1e6), kTakesStep);
}

TEST(GuardedSteps, DoNotHalveTheLossScaleForAnOutlier) {
  GuardedSteps steps{.state = {.scale = 4.0f,
                               .good_steps = 7,
                               .outlier_factor = 10.0,
                               .mean_norm = 0.25,
                               .norms = kNormsForOutliers}};
  EXPECT_EQ(steps.take(100.0), kOutlier);
  EXPECT_EQ(steps.state.scale, 4.0f);
  EXPECT_EQ(steps.state.good_steps, 7);
  EXPECT_EQ(steps.take(4.0), kTakesStep);  // a norm of 1
}

}  // namespace
}  // namespace ripieno::kernels
