#include "ripieno/kernels/optimizer.h"

#include <algorithm>
#include <limits>

#include "kernel_test.h"
#include "ripieno/kernels/optimizer_rules.h"

namespace ripieno::testing {
namespace {

class Optimizer : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Optimizer, device_runs(), run_name);

using kernels::ParameterSegment;
using kernels::StepScalars;

// Two weight decays, two learning rates, and a gap that no segment covers.
Both<ParameterSegment> segments() {
  return {ParameterSegment{0, 31, 0.1f}, ParameterSegment{31, 64, 0.0f},
          ParameterSegment{70, 1001, 0.2f, 0.25f}};
}

Both<StepScalars> third_step() {
  return {StepScalars{.learning_rate = 0.01f,
                      .gradient_scale = 0.5f,
                      .first_correction = 1.0f / (1.0f - 0.729f),
                      .second_correction = 1.0f / (1.0f - 0.970299f)}};
}

TEST_P(Optimizer, AveragesAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const bool has_master : {false, true}) {
      for (const bool warms_up : {false, true}) {
        Both<T> parameter = some_numbers<T>(1001, 1);
        Both<float> master = some_numbers<float>(1001, 2), average = some_numbers<float>(1001, 3);
        auto decays = segments();
        auto scalars = third_step();
        scalars.host()->step = 3;
        scalars.update_device();
        on_both([&](auto place, auto at) {
          kernels::average_parameters<T>(place, at(average),
                                         {at(parameter), has_master ? at(master) : nullptr, nullptr,
                                          1001, at(decays), 3, at(scalars)},
                                         {.decay = 0.9, .warms_up = warms_up});
        });
        expect_agreement(average);
      }
    }
  });
}

TEST_P(Optimizer, AdamWAgreesWithTheCpuWithAndWithoutAMaster) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const bool has_master : {false, true}) {
      Both<T> parameter = some_numbers<T>(1001, 1), gradient = some_numbers<T>(1001, 2);
      Both<float> master = some_numbers<float>(1001, 1);
      Both<float> first = some_numbers<float>(1001, 3), second = some_numbers<float>(1001, 4, 0.1);
      auto decays = segments();
      auto scalars = third_step();
      on_both([&](auto place, auto at) {
        kernels::adamw<T>(place,
                          {at(parameter), has_master ? at(master) : nullptr, at(gradient), 1001,
                           at(decays), 3, at(scalars)},
                          at(first), at(second), {.beta1 = 0.9, .beta2 = 0.99});
      });
      expect_agreement(parameter);
      expect_agreement(master);
      expect_agreement(first);
      expect_agreement(second);
    }
  });
}

TEST_P(Optimizer, FirstStepOfAdamWAgreesWithTheCpuForBetasNearOne) {
  Both<float> parameter = some_numbers<float>(33, 1), gradient = some_numbers<float>(33, 2);
  Both<float> first(33), second(33);
  for (Both<float>* moment : {&first, &second}) {
    std::fill_n(moment->host(), 33, 0.0f);
    moment->update_device();
  }
  Both<ParameterSegment> segment{ParameterSegment{0, 33}};
  Both<StepScalars> scalars{StepScalars{.learning_rate = 0.01f, .second_correction = 1e8f}};
  on_both([&](auto place, auto at) {
    kernels::adamw<float>(place,
                          {at(parameter), nullptr, at(gradient), 33, at(segment), 1, at(scalars)},
                          at(first), at(second), {.beta2 = 0.99999999});
  });
  expect_agreement(parameter);
  expect_agreement(second);
}

TEST_P(Optimizer, ClipsGradientsLikeTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const bool is_scaled : {false, true}) {
      Both<T> gradient = some_numbers<T>(1001, 5);
      gradient.host()[7] = T(std::numeric_limits<float>::infinity());
      gradient.host()[8] = T(std::numeric_limits<float>::quiet_NaN());
      gradient.update_device();
      Both<double> count{2.0};
      Both<kernels::LossScale> scale{kernels::LossScale{.scale = 0.5f}};
      on_both([&](auto place, auto at) {
        kernels::clip_gradient<T>(place, at(gradient), 1001, at(count),
                                  is_scaled ? at(scale) : nullptr, 0.25);
      });
      expect_agreement(gradient);
    }
  });
}

TEST_P(Optimizer, UpdatesMastersLikeTheCpu) {
  const auto check = [this]<typename T>(Type<T>) {
    for (const int64_t begin : {0, 1}) {
      Both<T> parameter = some_numbers<T>(1001, 1);
      Both<float> master = some_numbers<float>(1001, 1);
      on_both([&](auto place, auto at) {
        kernels::update_master(place, at(master) + begin, at(parameter) + begin, 1001 - begin);
      });
      expect_same_bits(master);
    }
  };
  check(Type<kernels::bfloat16>{});
  check(Type<kernels::float16>{});
}

TEST_P(Optimizer, SgdAgreesWithTheCpuWithAndWithoutMomentum) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const kernels::SgdConstants constants :
         {kernels::SgdConstants{}, {.momentum = 0.9f}, {.momentum = 0.9f, .nesterov = true}}) {
      Both<T> parameter = some_numbers<T>(1001, 1), gradient = some_numbers<T>(1001, 2);
      Both<float> master = some_numbers<float>(1001, 1), velocity = some_numbers<float>(1001, 3);
      auto decays = segments();
      auto scalars = third_step();
      on_both([&](auto place, auto at) {
        kernels::sgd<T>(place,
                        {at(parameter), at(master), at(gradient), 1001, at(decays), 3, at(scalars)},
                        constants.momentum > 0 ? at(velocity) : nullptr, constants);
      });
      expect_agreement(parameter);
      expect_agreement(master);
      expect_agreement(velocity);
    }
  });
}

// As where an arena is sharded between ranks, or where a segment ends inside a vector.
TEST_P(Optimizer, StepsAgreeAtAnyAlignmentOfArenaAndSegments) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t begin : {0, 1}) {
      Both<T> parameter = some_numbers<T>(6000, 1), gradient = some_numbers<T>(6000, 2);
      Both<float> master = some_numbers<float>(6000, 1), first = some_numbers<float>(6000, 3);
      Both<float> second = some_numbers<float>(6000, 4, 0.1),
                  velocity = some_numbers<float>(6000, 5);
      Both<ParameterSegment> decays{{2, 3, 0.5f}, {3, 9, 0.1f}, {9, 10, 0.2f}, {4095, 5998, 0.3f}};
      auto scalars = third_step();
      on_both([&](auto place, auto at) {
        const kernels::ArenaStep<T> arena{at(parameter) + begin,
                                          at(master) + begin,
                                          at(gradient) + begin,
                                          5999,
                                          at(decays),
                                          4,
                                          at(scalars)};
        kernels::adamw(place, arena, at(first) + begin, at(second) + begin, {});
        kernels::sgd(place, arena, at(velocity) + begin, {.momentum = 0.9f});
      });
      expect_agreement(parameter);
      expect_agreement(master);
      expect_agreement(first);
      expect_agreement(second);
      expect_agreement(velocity);
    }
  });
}

TEST_P(Optimizer, StepScalarsAreBitwiseIdenticalToTheCpu) {
  for (const double count : {0.0, 7.0}) {
    for (const double max_norm : {0.0, 0.5, 100.0}) {
      auto scalars = third_step();
      Both<double> squares{90.0}, counted{count};
      on_both([&](auto place, auto at) {
        kernels::finish_step_scalars(place, at(scalars), at(squares), at(counted), max_norm);
      });
      expect_same_bits(scalars);
    }
  }
}

TEST_P(Optimizer, ScaledStepScalarsAndScaleAreBitwiseIdenticalToTheCpu) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double squares_of_step : {0.0, 90.0, infinity, std::nan("")}) {
    for (const kernels::LossScale& before :
         {kernels::LossScale{},
          {.scale = 0x1p24f, .good_steps = 1999, .steps = 3},
          {.scale = 0x1p-24f, .good_steps = 7, .steps = 1, .skipped_steps = 5},
          {.scale = 1.0f, .steps = 40, .is_fixed = 1, .mean_norm = 0.7, .norms = 30},
          {.scale = 1.0f,
          .steps = 40,
          .is_fixed = 1,
          .outlier_factor = 1.5,
          .mean_norm = 0.7,
          .norms = 30},
          {.scale = 2.0f, .outlier_factor = 3.0, .mean_norm = 0.1, .norms = 100}}) {
      auto scalars = third_step();
      Both<kernels::LossScale> scale{before};
      Both<double> squares{squares_of_step}, counted{7.0};
      on_both([&](auto place, auto at) {
        kernels::finish_scaled_step_scalars(place, at(scalars), at(scale), at(squares), at(counted),
                                            0.5, 0.9, 0.99);
      });
      expect_same_bits(scale);
      const auto device = scalars.from_device();
      EXPECT_EQ(device[0].skips, scalars.host()->skips);
      EXPECT_EQ(device[0].skipped_steps, scalars.host()->skipped_steps);
      EXPECT_FLOAT_EQ(device[0].first_correction, scalars.host()->first_correction);
      EXPECT_FLOAT_EQ(device[0].second_correction, scalars.host()->second_correction);
      if (!scalars.host()->skips) {
        EXPECT_EQ(device[0].gradient_scale, scalars.host()->gradient_scale);
      }
    }
  }
}

TEST_P(Optimizer, ChangesNothingInASkippedStep) {
  Both<float> parameter = some_numbers<float>(1001, 1), gradient = some_numbers<float>(1001, 2);
  Both<float> first = some_numbers<float>(1001, 3), second = some_numbers<float>(1001, 4, 0.1);
  const auto before = parameter.from_device(), first_before = first.from_device();
  auto decays = segments();
  Both<StepScalars> scalars{StepScalars{.learning_rate = 0.1f, .skips = 1}};
  on_both([&](auto place, auto at) {
    const kernels::ArenaStep<float> arena{at(parameter), nullptr, at(gradient), 1001,
                                          at(decays),    3,       at(scalars)};
    kernels::adamw(place, arena, at(first), at(second), {});
    kernels::sgd(place, arena, at(second), {.momentum = 0.9f});
  });
  expect_same_bits(parameter);
  expect_same_bits(first);
  expect_same_bits(second);
  EXPECT_EQ(std::memcmp(parameter.host(), before.get(), 1001 * sizeof(float)), 0);
  EXPECT_EQ(std::memcmp(first.host(), first_before.get(), 1001 * sizeof(float)), 0);
}

}  // namespace
}  // namespace ripieno::testing
