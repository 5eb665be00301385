#include "ripieno/kernels/recurrent.h"

#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/formulas/recurrent_formulas.h"

namespace ripieno::kernels {

namespace {

template <typename T>
inline void lstm_forward_element(const LstmForwardArguments<T>& step, int64_t sample, int64_t i) {
  using A = accumulator_t<T>;
  const RecurrentShape& shape = step.shape;
  const auto gate = [&](int64_t g) {
    const int64_t at = g * shape.hidden + i;
    const A bias = step.bias ? accumulator_t<T>(step.bias[at]) : A(0);
    return accumulator_t<T>(step.projected[sample * shape.gate_stride + at]) +
           accumulator_t<T>(step.recurrent[sample * 4 * shape.hidden + at]) + bias;
  };
  const LstmGates<A> gates = lstm_gates<cpu::Math>(gate(0), gate(1), gate(2), gate(3));
  const A cell = gates.forget * step.cell_before[sample * shape.before_stride + i] +
                 gates.input * gates.candidate;
  T* const out = step.gates + sample * shape.gate_stride + i;
  out[0] = T(gates.input);
  out[shape.hidden] = T(gates.forget);
  out[2 * shape.hidden] = T(gates.candidate);
  out[3 * shape.hidden] = T(gates.output);
  step.cell[sample * shape.state_stride + i] = cell;
  step.hidden[sample * shape.state_stride + i] = T(gates.output * cpu::Math::tanh(cell));
}

// The gradient of the hidden state: of the step's output, and from the next step.
template <typename T>
inline accumulator_t<T> hidden_gradient(const T* grad_hidden, const T* grad_next,
                                        const RecurrentShape& shape, int64_t sample, int64_t i) {
  using A = accumulator_t<T>;
  const A out = grad_hidden ? accumulator_t<T>(grad_hidden[sample * shape.state_stride + i]) : A(0);
  return grad_next ? out + accumulator_t<T>(grad_next[sample * shape.hidden + i]) : out;
}

template <typename T>
inline void lstm_backward_element(const LstmBackwardArguments<T>& step, int64_t sample, int64_t i) {
  using A = accumulator_t<T>;
  const RecurrentShape& shape = step.shape;
  const T* const in = step.gates + sample * shape.gate_stride + i;
  const LstmGates<A> gates{accumulator_t<T>(in[0]), accumulator_t<T>(in[shape.hidden]),
                           accumulator_t<T>(in[2 * shape.hidden]),
                           accumulator_t<T>(in[3 * shape.hidden])};
  const LstmGates<A> gradients =
      lstm_gradients<cpu::Math>(gates, step.cell[sample * shape.state_stride + i],
                                step.cell_before[sample * shape.before_stride + i],
                                hidden_gradient(step.grad_hidden, step.grad_next, shape, sample, i),
                                step.grad_cell[sample * shape.hidden + i]);
  T* const out = step.grad_gates + sample * shape.gate_stride + i;
  out[0] = T(gradients.input);
  out[shape.hidden] = T(gradients.forget);
  out[2 * shape.hidden] = T(gradients.candidate);
  out[3 * shape.hidden] = T(gradients.output);
}

template <typename T>
inline void gru_forward_element(const GruForwardArguments<T>& step, int64_t sample, int64_t i) {
  using A = accumulator_t<T>;
  const RecurrentShape& shape = step.shape;
  const auto of_input = [&](int64_t g) {
    return accumulator_t<T>(step.projected[sample * shape.gate_stride + g * shape.hidden + i]);
  };
  const auto of_hidden = [&](int64_t g) {
    const int64_t at = g * shape.hidden + i;
    const A bias = step.bias ? accumulator_t<T>(step.bias[at]) : A(0);
    return accumulator_t<T>(step.recurrent[sample * 3 * shape.hidden + at]) + bias;
  };
  const A reset = logistic<cpu::Math>(of_input(0) + of_hidden(0));
  const A update = logistic<cpu::Math>(of_input(1) + of_hidden(1));
  const A recurrent = of_hidden(2);
  const A candidate = cpu::Math::tanh(of_input(2) + reset * recurrent);
  const A before = accumulator_t<T>(step.hidden_before[sample * shape.before_stride + i]);
  T* const out = step.gates + sample * shape.gate_stride + i;
  out[0] = T(reset);
  out[shape.hidden] = T(update);
  out[2 * shape.hidden] = T(candidate);
  step.candidate[sample * shape.state_stride + i] = T(recurrent);
  step.hidden[sample * shape.state_stride + i] = T((A(1) - update) * candidate + update * before);
}

template <typename T>
inline void gru_backward_element(const GruBackwardArguments<T>& step, int64_t sample, int64_t i) {
  using A = accumulator_t<T>;
  const RecurrentShape& shape = step.shape;
  const T* const in = step.gates + sample * shape.gate_stride + i;
  const GruGates<A> gates{accumulator_t<T>(in[0]), accumulator_t<T>(in[shape.hidden]),
                          accumulator_t<T>(in[2 * shape.hidden])};
  const A gradient = hidden_gradient(step.grad_hidden, step.grad_next, shape, sample, i);
  const GruGates<A> gradients = gru_gradients(
      gates, accumulator_t<T>(step.candidate[sample * shape.state_stride + i]),
      accumulator_t<T>(step.hidden_before[sample * shape.before_stride + i]), gradient);
  T* const projected = step.grad_projected + sample * shape.gate_stride + i;
  T* const recurrent = step.grad_recurrent + sample * shape.gate_stride + i;
  recurrent[0] = projected[0] = T(gradients.reset);
  recurrent[shape.hidden] = projected[shape.hidden] = T(gradients.update);
  projected[2 * shape.hidden] = T(gradients.candidate);
  recurrent[2 * shape.hidden] = T(gradients.candidate * gates.reset);
  step.grad_before[sample * shape.hidden + i] = T(gradient * gates.update);
}

}  // namespace

template <typename T>
void lstm_step_forward(OnCpu, const LstmForwardArguments<T>& step) {
  const int64_t hidden = step.shape.hidden;
  cpu::for_each_row(step.shape.batch, 32 * hidden, [&](int64_t sample) {
    for (int64_t i = 0; i < hidden; ++i) lstm_forward_element(step, sample, i);
  });
}

template <typename T>
void lstm_step_backward(OnCpu, const LstmBackwardArguments<T>& step) {
  const int64_t hidden = step.shape.hidden;
  cpu::for_each_row(step.shape.batch, 32 * hidden, [&](int64_t sample) {
    for (int64_t i = 0; i < hidden; ++i) lstm_backward_element(step, sample, i);
  });
}

template <typename T>
void gru_step_forward(OnCpu, const GruForwardArguments<T>& step) {
  const int64_t hidden = step.shape.hidden;
  cpu::for_each_row(step.shape.batch, 32 * hidden, [&](int64_t sample) {
    for (int64_t i = 0; i < hidden; ++i) gru_forward_element(step, sample, i);
  });
}

template <typename T>
void gru_step_backward(OnCpu, const GruBackwardArguments<T>& step) {
  const int64_t hidden = step.shape.hidden;
  cpu::for_each_row(step.shape.batch, 32 * hidden, [&](int64_t sample) {
    for (int64_t i = 0; i < hidden; ++i) gru_backward_element(step, sample, i);
  });
}

template void lstm_step_forward(OnCpu, const LstmForwardArguments<float>&);
template void lstm_step_forward(OnCpu, const LstmForwardArguments<double>&);
template void lstm_step_forward(OnCpu, const LstmForwardArguments<bfloat16>&);
template void lstm_step_forward(OnCpu, const LstmForwardArguments<float16>&);

template void lstm_step_backward(OnCpu, const LstmBackwardArguments<float>&);
template void lstm_step_backward(OnCpu, const LstmBackwardArguments<double>&);
template void lstm_step_backward(OnCpu, const LstmBackwardArguments<bfloat16>&);
template void lstm_step_backward(OnCpu, const LstmBackwardArguments<float16>&);

template void gru_step_forward(OnCpu, const GruForwardArguments<float>&);
template void gru_step_forward(OnCpu, const GruForwardArguments<double>&);
template void gru_step_forward(OnCpu, const GruForwardArguments<bfloat16>&);
template void gru_step_forward(OnCpu, const GruForwardArguments<float16>&);

template void gru_step_backward(OnCpu, const GruBackwardArguments<float>&);
template void gru_step_backward(OnCpu, const GruBackwardArguments<double>&);
template void gru_step_backward(OnCpu, const GruBackwardArguments<bfloat16>&);
template void gru_step_backward(OnCpu, const GruBackwardArguments<float16>&);

}  // namespace ripieno::kernels
