#include "ripieno/core/ops/recurrent.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/linear.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/matmul.h"
#include "ripieno/kernels/recurrent.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::RecurrentShape;

// Throws Error unless the tensors are those of a layer with `gates` gates.
void check(const char* operation, int64_t gates, const Tensor& x, const RecurrentWeights& weights,
           const Tensor& hidden, const Tensor& cell) {
  require_defined(operation,
                  {{"x", x}, {"input", weights.input}, {"recurrent", weights.recurrent}});
  require_one_type(operation, {{"x", x},
                               {"input", weights.input},
                               {"recurrent", weights.recurrent},
                               {"input_bias", weights.input_bias},
                               {"recurrent_bias", weights.recurrent_bias},
                               {"hidden", hidden},
                               {"cell", cell}});
  const Shape &input = weights.input.shape(), &recurrent = weights.recurrent.shape();
  const bool fits = x.rank() == 3 && x.size(1) >= 1 && input.rank() == 2 && recurrent.rank() == 2 &&
                    input[1] == x.size(2) && recurrent[1] >= 1 &&
                    recurrent[0] == gates * recurrent[1] && input[0] == recurrent[0];
  if (!fits) {
    fail(fmt::format(
        "{}: x is {}, input is {}, recurrent is {}; they must be (batch, time, "
        "inputs), ({} x hidden, inputs) and ({} x hidden, hidden), with at least one "
        "step of time and one of hidden",
        operation, to_string(x.shape()), to_string(input), to_string(recurrent), gates, gates));
  }
  const Shape state = {x.size(0), recurrent[1]}, bias = {recurrent[0]};
  const auto require_shape = [&](const char* name, const Tensor& tensor, const Shape& wanted) {
    if (!tensor.defined() || tensor.shape() == wanted) return;
    fail(fmt::format("{}: {} is {}, x is {}, recurrent is {}; {} must be {}", operation, name,
                     to_string(tensor.shape()), to_string(x.shape()), to_string(recurrent), name,
                     to_string(wanted)));
  };
  require_shape("input_bias", weights.input_bias, bias);
  require_shape("recurrent_bias", weights.recurrent_bias, bias);
  require_shape("hidden", hidden, state);
  require_shape("cell", cell, state);
}

// What the steps of a sequence share. Tensors are dense.
struct Sequence {
  int64_t batch, time, hidden, gates;
  bool reversed;

  Sequence(const Tensor& projected, const Tensor& recurrent, bool reversed_)
      : batch(projected.size(0)),
        time(projected.size(1)),
        hidden(recurrent.size(1)),
        gates(recurrent.size(0) / recurrent.size(1)),
        reversed(reversed_) {}

  int64_t of_gates() const { return gates * hidden; }
  // The position in time of step number `step`, and of the one before it.
  int64_t at(int64_t step) const { return reversed ? time - 1 - step : step; }
  // Where a step reads the state before it: in `states` (batch, time, hidden), or, for the first
  // step, in `initial` (batch, hidden).
  template <typename T>
  T* before(const Tensor& states, const Tensor& initial, int64_t step) const {
    return step == 0 ? initial.data<T>() : states.data<T>() + at(step - 1) * hidden;
  }
  RecurrentShape shape(int64_t step) const {
    return {.batch = batch,
            .hidden = hidden,
            .gate_stride = time * of_gates(),
            .state_stride = time * hidden,
            .before_stride = before_stride(step)};
  }
  int64_t before_stride(int64_t step) const { return step == 0 ? hidden : time * hidden; }
  int64_t flops() const { return 2 * batch * time * hidden * of_gates(); }

  // out (batch, gates * hidden) = the hidden before a step x recurrent^T.
  template <typename T, typename On>
  void multiply_recurrent(On on, const Tensor& out, const Tensor& outputs, const Tensor& initial,
                          const Tensor& recurrent, int64_t step) const {
    if (batch == 0) return;
    kernels::matmul(on, out.data<T>(), before<T>(outputs, initial, step), recurrent.data<T>(),
                    {.m = batch,
                     .n = of_gates(),
                     .k = hidden,
                     .transpose_b = true,
                     .lda = before_stride(step),
                     .ldb = hidden,
                     .ldc = of_gates()},
                    false);
  }
  // out (batch, hidden) = the gradients of a step's gates x recurrent, or added to out.
  template <typename T, typename On>
  void multiply_back(On on, const Tensor& out, const Tensor& gradients, const Tensor& recurrent,
                     int64_t step, bool accumulate) const {
    if (batch == 0) return;
    kernels::matmul(on, out.data<T>(), gradients.data<T>() + at(step) * of_gates(),
                    recurrent.data<T>(),
                    {.m = batch,
                     .n = hidden,
                     .k = of_gates(),
                     .lda = time * of_gates(),
                     .ldb = hidden,
                     .ldc = hidden},
                    accumulate);
  }
  // The hidden state before each step, (batch, time, hidden).
  Tensor states_before(const Tensor& outputs, const Tensor& initial) const {
    Tensor result(outputs.shape(), outputs.dtype(), outputs.device());
    const int64_t first = at(0);
    result.slice(1, first, first + 1).copy_from(initial.reshape({batch, 1, hidden}));
    const int64_t to = reversed ? 0 : 1, from = reversed ? 1 : 0;
    if (time > 1) {
      result.slice(1, to, to + time - 1).copy_from(outputs.slice(1, from, from + time - 1));
    }
    return result;
  }
};

// The gradients of the recurrent weight and bias from those of the gates, (batch, time, gates *
// hidden). They are inputs `weight` and weight + 1.
void add_recurrent_gradients(Gradients& gradients, int weight, const Sequence& sequence,
                             const Tensor& of_gates, const Tensor& outputs, const Tensor& initial) {
  const int64_t rows = sequence.batch * sequence.time;
  if (gradients.wanted(weight)) {
    const Tensor before = sequence.states_before(outputs, initial);
    const auto [target, accumulate] = gradients.destination(weight);
    const Work work{"recurrent: weight gradient", {&target, &of_gates, &before}, sequence.flops()};
    run(work, of_gates, [&, &target = target, accumulate = accumulate]<typename T>(auto on) {
      kernels::matmul(on, target.data<T>(), of_gates.data<T>(), before.data<T>(),
                      {.m = sequence.of_gates(),
                       .n = sequence.hidden,
                       .k = rows,
                       .transpose_a = true,
                       .lda = sequence.of_gates(),
                       .ldb = sequence.hidden,
                       .ldc = sequence.hidden},
                      accumulate);
    });
  }
  if (gradients.wanted(weight + 1)) {
    const auto [target, accumulate] = gradients.destination(weight + 1);
    sum_rows_into(target, of_gates, rows, accumulate);
  }
}

DType accumulator_of(DType dtype) {
  return dtype == DType::float64 ? DType::float64 : DType::float32;
}

Tensor zeros_unless(const Tensor& given, int64_t batch, int64_t hidden, const Tensor& like) {
  return given.defined() ? given.dense()
                         : Tensor::zeros({batch, hidden}, like.dtype(), like.device());
}

Tensor dense(const Tensor& x) { return x.defined() ? x.dense() : x; }

template <typename T>
const T* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

Tensor last_of(const Tensor& states, const Sequence& sequence) {
  const int64_t last = sequence.at(sequence.time - 1);
  return states.slice(1, last, last + 1).reshape({sequence.batch, sequence.hidden});
}

// What the backward of an LSTM needs.
struct LstmPast {
  Sequence sequence;
  Saved outputs, recurrent, initial;
  Tensor cells, initial_cell, gates;
};

void lstm_backward(const LstmPast& past, std::span<Tensor> of_outputs, Gradients& gradients) {
  const NoGrad no_grad;
  const Sequence& sequence = past.sequence;
  const Tensor &outputs = *past.outputs, &recurrent = *past.recurrent;
  const Tensor& to_outputs = of_outputs[0];  // undefined if only the cell was used
  const Tensor of_gates(past.gates.shape(), outputs.dtype(), outputs.device());
  const Shape state = {sequence.batch, sequence.hidden};
  const Tensor next(state, outputs.dtype(), outputs.device());
  Tensor of_cell = Tensor::zeros(state, past.cells.dtype(), outputs.device());
  if (of_outputs[1].defined()) of_cell.copy_from(of_outputs[1]);
  const Work work{"lstm: gradient", {&of_gates, &to_outputs, &past.gates}, sequence.flops()};
  run(work, outputs, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    for (int64_t step = sequence.time; step-- > 0;) {
      const int64_t at = sequence.at(step);
      const bool is_last = step + 1 == sequence.time;
      kernels::lstm_step_backward(
          on, kernels::LstmBackwardArguments<T>{
                  .grad_gates = of_gates.data<T>() + at * sequence.of_gates(),
                  .grad_cell = of_cell.data<A>(),
                  .grad_hidden =
                      to_outputs.defined() ? to_outputs.data<T>() + at * sequence.hidden : nullptr,
                  .grad_next = is_last ? nullptr : next.data<T>(),
                  .gates = past.gates.data<T>() + at * sequence.of_gates(),
                  .cell = past.cells.data<A>() + at * sequence.hidden,
                  .cell_before = sequence.before<A>(past.cells, past.initial_cell, step),
                  .shape = sequence.shape(step)});
      if (step > 0 || gradients.wanted(3))
        sequence.multiply_back<T>(on, next, of_gates, recurrent, step, false);
    }
  });
  if (gradients.wanted(0)) gradients.add(0, of_gates);
  add_recurrent_gradients(gradients, 1, sequence, of_gates, outputs, *past.initial);
  if (gradients.wanted(3)) gradients.add(3, next);
  if (gradients.wanted(4)) gradients.add(4, of_cell.to(outputs.dtype()));
}

struct GruPast {
  Sequence sequence;
  Saved outputs, recurrent, initial;
  Tensor gates, candidates;
};

void gru_backward(const GruPast& past, const Tensor& gradient, Gradients& gradients) {
  const NoGrad no_grad;
  const Sequence& sequence = past.sequence;
  const Tensor &outputs = *past.outputs, &recurrent = *past.recurrent, &initial = *past.initial;
  const Tensor of_projected(past.gates.shape(), outputs.dtype(), outputs.device());
  const Tensor of_recurrent(past.gates.shape(), outputs.dtype(), outputs.device());
  const Shape state = {sequence.batch, sequence.hidden};
  // The gradient from the next step, and to the one before.
  Tensor next(state, outputs.dtype(), outputs.device()),
      before(state, outputs.dtype(), outputs.device());
  const Work work{
      "gru: gradient", {&of_projected, &of_recurrent, &gradient, &past.gates}, sequence.flops()};
  run(work, outputs, [&]<typename T>(auto on) {
    for (int64_t step = sequence.time; step-- > 0;) {
      const int64_t at = sequence.at(step);
      const bool is_last = step + 1 == sequence.time;
      kernels::gru_step_backward(
          on, kernels::GruBackwardArguments<T>{
                  .grad_projected = of_projected.data<T>() + at * sequence.of_gates(),
                  .grad_recurrent = of_recurrent.data<T>() + at * sequence.of_gates(),
                  .grad_before = before.data<T>(),
                  .grad_hidden = gradient.data<T>() + at * sequence.hidden,
                  .grad_next = is_last ? nullptr : next.data<T>(),
                  .gates = past.gates.data<T>() + at * sequence.of_gates(),
                  .candidate = past.candidates.data<T>() + at * sequence.hidden,
                  .hidden_before = sequence.before<T>(outputs, initial, step),
                  .shape = sequence.shape(step)});
      sequence.multiply_back<T>(on, before, of_recurrent, recurrent, step, true);
      std::swap(next, before);
    }
  });
  if (gradients.wanted(0)) gradients.add(0, of_projected);
  add_recurrent_gradients(gradients, 1, sequence, of_recurrent, outputs, initial);
  if (gradients.wanted(3)) gradients.add(3, next);
}

}  // namespace

Recurrence lstm(const Tensor& x, const RecurrentWeights& weights, const Tensor& hidden_,
                const Tensor& cell_, bool reversed) {
  check("lstm", 4, x, weights, hidden_, cell_);
  const Tensor projected = linear(x, weights.input, weights.input_bias);
  const Tensor recurrent = weights.recurrent.dense(), bias = dense(weights.recurrent_bias);
  const Sequence sequence(projected, recurrent, reversed);
  const Tensor hidden = zeros_unless(hidden_, sequence.batch, sequence.hidden, x);
  const Tensor cell = zeros_unless(cell_, sequence.batch, sequence.hidden, x);
  const Shape states = {sequence.batch, sequence.time, sequence.hidden};
  const Tensor outputs(states, x.dtype(), x.device());
  const Tensor product({sequence.batch, sequence.of_gates()}, x.dtype(), x.device());
  LstmPast past{.sequence = sequence,
                .outputs = {},
                .recurrent = Saved(recurrent),
                .initial = Saved(hidden),
                .cells = Tensor(states, accumulator_of(x.dtype()), x.device()),
                .initial_cell = cell.detach().to(accumulator_of(x.dtype())),
                .gates = Tensor(projected.shape(), x.dtype(), x.device())};
  const Work work{"lstm", {&outputs, &past.gates, &projected}, sequence.flops()};
  run(work, x, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    for (int64_t step = 0; step < sequence.time; ++step) {
      const int64_t at = sequence.at(step);
      sequence.multiply_recurrent<T>(on, product, outputs, hidden, recurrent, step);
      kernels::lstm_step_forward(
          on, kernels::LstmForwardArguments<T>{
                  .hidden = outputs.data<T>() + at * sequence.hidden,
                  .cell = past.cells.data<A>() + at * sequence.hidden,
                  .gates = past.gates.data<T>() + at * sequence.of_gates(),
                  .projected = projected.data<T>() + at * sequence.of_gates(),
                  .recurrent = product.data<T>(),
                  .bias = data_or_null<T>(bias),
                  .cell_before = sequence.before<A>(past.cells, past.initial_cell, step),
                  .shape = sequence.shape(step)});
    }
  });
  past.outputs = Saved(outputs);
  const Tensor last_cell = last_of(past.cells, sequence).to(x.dtype()).clone();
  const std::array results = {outputs, last_cell};
  const std::array inputs = {projected, recurrent, bias, hidden, cell};
  autograd::record("lstm", std::span<const Tensor>(results), std::span<const Tensor>(inputs),
                   [past](std::span<Tensor> of_outputs, Gradients& gradients) {
                     lstm_backward(past, of_outputs, gradients);
                   });
  return {outputs, last_of(outputs, sequence), last_cell};
}

Recurrence gru(const Tensor& x, const RecurrentWeights& weights, const Tensor& hidden_,
               bool reversed) {
  check("gru", 3, x, weights, hidden_, {});
  const Tensor projected = linear(x, weights.input, weights.input_bias);
  const Tensor recurrent = weights.recurrent.dense(), bias = dense(weights.recurrent_bias);
  const Sequence sequence(projected, recurrent, reversed);
  const Tensor hidden = zeros_unless(hidden_, sequence.batch, sequence.hidden, x);
  const Shape states = {sequence.batch, sequence.time, sequence.hidden};
  const Tensor outputs(states, x.dtype(), x.device());
  const Tensor product({sequence.batch, sequence.of_gates()}, x.dtype(), x.device());
  GruPast past{.sequence = sequence,
               .outputs = {},
               .recurrent = Saved(recurrent),
               .initial = Saved(hidden),
               .gates = Tensor(projected.shape(), x.dtype(), x.device()),
               .candidates = Tensor(states, x.dtype(), x.device())};
  const Work work{"gru", {&outputs, &past.gates, &projected}, sequence.flops()};
  run(work, x, [&]<typename T>(auto on) {
    for (int64_t step = 0; step < sequence.time; ++step) {
      const int64_t at = sequence.at(step);
      sequence.multiply_recurrent<T>(on, product, outputs, hidden, recurrent, step);
      kernels::gru_step_forward(on,
                                kernels::GruForwardArguments<T>{
                                    .hidden = outputs.data<T>() + at * sequence.hidden,
                                    .gates = past.gates.data<T>() + at * sequence.of_gates(),
                                    .candidate = past.candidates.data<T>() + at * sequence.hidden,
                                    .projected = projected.data<T>() + at * sequence.of_gates(),
                                    .recurrent = product.data<T>(),
                                    .bias = data_or_null<T>(bias),
                                    .hidden_before = sequence.before<T>(outputs, hidden, step),
                                    .shape = sequence.shape(step)});
    }
  });
  past.outputs = Saved(outputs);
  const Tensor recorded = autograd::record("gru", outputs, {&projected, &recurrent, &bias, &hidden},
                                           [past](const Tensor& gradient, Gradients& gradients) {
                                             gru_backward(past, gradient, gradients);
                                           });
  return {recorded, last_of(recorded, sequence), {}};
}

}  // namespace ripieno
