#include "ripieno/kernels/recurrent.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

using kernels::RecurrentShape;

class Recurrent : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Recurrent, device_runs(), run_name);

constexpr int64_t kBatch = 3, kTime = 2;

// The second of two steps, which reads the state after the first.
RecurrentShape second_step(int64_t hidden, int64_t gates) {
  return {.batch = kBatch,
          .hidden = hidden,
          .gate_stride = kTime * gates * hidden,
          .state_stride = kTime * hidden,
          .before_stride = kTime * hidden};
}

TEST_P(Recurrent, StepsOfAnLstmAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    using A = accumulator_t<T>;
    for (const int64_t hidden : {1, 33}) {
      const int64_t states = kBatch * kTime * hidden, gates = 4 * states;
      Both<T> outputs = some_numbers<T>(states, 1), projected = some_numbers<T>(gates, 2);
      Both<T> recurrent = some_numbers<T>(4 * kBatch * hidden, 3);
      Both<T> bias = some_numbers<T>(4 * hidden, 4), activated = some_numbers<T>(gates, 5);
      Both<A> cells = some_numbers<A>(states, 6), grad_cell = some_numbers<A>(kBatch * hidden, 7);
      Both<T> grad_gates = some_numbers<T>(gates, 8), grad_outputs = some_numbers<T>(states, 9);
      Both<T> grad_next = some_numbers<T>(kBatch * hidden, 10);
      const RecurrentShape shape = second_step(hidden, 4);
      on_both([&](auto place, auto at) {
        kernels::lstm_step_forward(
            place, kernels::LstmForwardArguments<T>{.hidden = at(outputs) + hidden,
                                                    .cell = at(cells) + hidden,
                                                    .gates = at(activated) + 4 * hidden,
                                                    .projected = at(projected) + 4 * hidden,
                                                    .recurrent = at(recurrent),
                                                    .bias = at(bias),
                                                    .cell_before = at(cells),
                                                    .shape = shape});
        kernels::lstm_step_backward(
            place, kernels::LstmBackwardArguments<T>{.grad_gates = at(grad_gates) + 4 * hidden,
                                                     .grad_cell = at(grad_cell),
                                                     .grad_hidden = at(grad_outputs) + hidden,
                                                     .grad_next = at(grad_next),
                                                     .gates = at(activated) + 4 * hidden,
                                                     .cell = at(cells) + hidden,
                                                     .cell_before = at(cells),
                                                     .shape = shape});
      });
      expect_agreement(outputs, 4 * kTolerance<T>);
      expect_agreement(activated, 4 * kTolerance<T>);
      expect_agreement(grad_gates, 8 * kTolerance<T>);
      expect_agreement(cells, 8 * kTolerance<T>);
      expect_agreement(grad_cell, 8 * kTolerance<T>);
    }
  });
}

TEST_P(Recurrent, StepsOfAGruAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t hidden : {1, 33}) {
      const int64_t states = kBatch * kTime * hidden, gates = 3 * states;
      Both<T> outputs = some_numbers<T>(states, 1), projected = some_numbers<T>(gates, 2);
      Both<T> recurrent = some_numbers<T>(3 * kBatch * hidden, 3);
      Both<T> bias = some_numbers<T>(3 * hidden, 4), activated = some_numbers<T>(gates, 5);
      Both<T> candidates = some_numbers<T>(states, 6), before = some_numbers<T>(kBatch * hidden, 7);
      Both<T> of_projected = some_numbers<T>(gates, 8), of_recurrent = some_numbers<T>(gates, 9);
      Both<T> grad_outputs = some_numbers<T>(states, 10);
      Both<T> grad_next = some_numbers<T>(kBatch * hidden, 11);
      const RecurrentShape shape = second_step(hidden, 3);
      on_both([&](auto place, auto at) {
        kernels::gru_step_forward(
            place, kernels::GruForwardArguments<T>{.hidden = at(outputs) + hidden,
                                                   .gates = at(activated) + 3 * hidden,
                                                   .candidate = at(candidates) + hidden,
                                                   .projected = at(projected) + 3 * hidden,
                                                   .recurrent = at(recurrent),
                                                   .bias = at(bias),
                                                   .hidden_before = at(outputs),
                                                   .shape = shape});
        kernels::gru_step_backward(
            place, kernels::GruBackwardArguments<T>{.grad_projected = at(of_projected) + 3 * hidden,
                                                    .grad_recurrent = at(of_recurrent) + 3 * hidden,
                                                    .grad_before = at(before),
                                                    .grad_hidden = at(grad_outputs) + hidden,
                                                    .grad_next = at(grad_next),
                                                    .gates = at(activated) + 3 * hidden,
                                                    .candidate = at(candidates) + hidden,
                                                    .hidden_before = at(outputs),
                                                    .shape = shape});
      });
      for (Both<T>* const array :
           {&outputs, &activated, &candidates, &before, &of_projected, &of_recurrent})
        expect_agreement(*array, 8 * kTolerance<T>);
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
