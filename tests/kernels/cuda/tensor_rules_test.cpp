#include "ripieno/kernels/tensor_rules.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class TensorRules : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, TensorRules, device_runs(), run_name);

using kernels::DirectionFactors;
using kernels::ParameterSegment;
using kernels::StepScalars;

// One tensor in its third step.
template <typename T>
struct Parameter {
  int64_t size;
  bool has_master;
  Both<T> values = some_numbers<T>(size, 1), gradient = some_numbers<T>(size, 2);
  Both<float> master = some_numbers<float>(size, 1);
  Both<ParameterSegment> segment = {ParameterSegment{0, size, 0.1f}};
  Both<StepScalars> scalars = {StepScalars{.learning_rate = 0.01f,
                                           .gradient_scale = 0.5f,
                                           .first_correction = 1.0f / (1.0f - 0.729f),
                                           .second_correction = 1.0f / (1.0f - 0.970299f),
                                           .step = 3}};

  template <typename At>
  kernels::ArenaStep<T> step(At at) {
    return {at(values), has_master ? at(master) : nullptr, at(gradient), size, at(segment), 1,
            at(scalars)};
  }
};

TEST_P(TensorRules, LambAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const bool has_master : {false, true}) {
      Parameter<T> parameter{1001, has_master};
      Both<accumulator_t<T>> direction(1001);
      Both<float> first = some_numbers<float>(1001, 3), second = some_numbers<float>(1001, 4, 0.1);
      Both<double> squares = {2.0, 3.0};
      Both<DirectionFactors> factors(1);
      on_both([&](auto place, auto at) {
        const auto step = parameter.step(at);
        kernels::lamb_direction(place, at(direction), step, at(first), at(second),
                                {.beta1 = 0.9, .beta2 = 0.99});
        kernels::lamb_factors(place, at(factors), at(squares), at(parameter.segment),
                              at(parameter.scalars));
        kernels::take_direction(place, step, at(direction), at(factors));
      });
      expect_agreement(direction, 2e-5);
      expect_agreement(first);
      expect_agreement(second);
      expect_agreement(parameter.values);
      expect_agreement(parameter.master);
    }
  });
}

TEST_P(TensorRules, AdafactorAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    const kernels::MatricesShape shape{2, 31, 33};
    const int64_t size = shape.matrices * shape.rows * shape.columns;
    Parameter<T> parameter{size, false};
    Both<accumulator_t<T>> direction(size);
    Both<float> rows = some_numbers<float>(shape.matrices * shape.rows, 3, 0.1, 2);
    Both<float> columns = some_numbers<float>(shape.matrices * shape.columns, 4, 0.1, 2);
    Both<float> means(shape.matrices);
    Both<double> squares = {200.0, 300.0};
    Both<DirectionFactors> factors(1);
    on_both([&](auto place, auto at) {
      const auto step = parameter.step(at);
      kernels::adafactor_mean_squares(place, at(rows), at(columns), at(means), step, shape, {});
      kernels::adafactor_direction(place, at(direction), step, at(rows), at(columns), at(means),
                                   shape, {});
      kernels::adafactor_factors(place, at(factors), at(squares), size, at(parameter.segment),
                                 at(parameter.scalars), {});
      kernels::take_direction(place, step, at(direction), at(factors));
    });
    expect_agreement(rows);
    expect_agreement(columns);
    expect_agreement(means);
    expect_agreement(direction, 2e-5);
    expect_agreement(parameter.values);
  });
}

TEST_P(TensorRules, AdafactorOfVectorsAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    Parameter<T> parameter{1001, false};
    Both<accumulator_t<T>> direction(1001);
    Both<float> mean_squares = some_numbers<float>(1001, 3, 0.1, 2);
    on_both([&](auto place, auto at) {
      kernels::adafactor_vector_direction(place, at(direction), parameter.step(at),
                                          at(mean_squares), {});
    });
    expect_agreement(direction, 2e-5);
    expect_agreement(mean_squares);
  });
}

}  // namespace
}  // namespace ripieno::testing
