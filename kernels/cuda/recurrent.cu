#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/cuda/device/formulas.cuh"
#include "ripieno/kernels/formulas/recurrent_formulas.h"
#include "ripieno/kernels/recurrent.h"

namespace ripieno::kernels {
namespace {

template <typename T>
__device__ inline void lstm_forward_element(const LstmForwardArguments<T>& step, int64_t sample,
                                            int64_t i) {
  using A = accumulator_t<T>;
  const RecurrentShape& shape = step.shape;
  const auto gate = [&](int64_t g) {
    const int64_t at = g * shape.hidden + i;
    const A bias = step.bias ? cuda::widen(step.bias[at]) : A(0);
    return cuda::widen(step.projected[sample * shape.gate_stride + at]) +
           cuda::widen(step.recurrent[sample * 4 * shape.hidden + at]) + bias;
  };
  const LstmGates<A> gates = lstm_gates<cuda::Math>(gate(0), gate(1), gate(2), gate(3));
  const A cell = gates.forget * step.cell_before[sample * shape.before_stride + i] +
                 gates.input * gates.candidate;
  T* const out = step.gates + sample * shape.gate_stride + i;
  out[0] = cuda::narrow<T>(gates.input);
  out[shape.hidden] = cuda::narrow<T>(gates.forget);
  out[2 * shape.hidden] = cuda::narrow<T>(gates.candidate);
  out[3 * shape.hidden] = cuda::narrow<T>(gates.output);
  step.cell[sample * shape.state_stride + i] = cell;
  step.hidden[sample * shape.state_stride + i] =
      cuda::narrow<T>(gates.output * cuda::Math::tanh(cell));
}

// The gradient of the hidden state: of the step's output, and from the next step.
template <typename T>
__device__ inline accumulator_t<T> hidden_gradient(const T* grad_hidden, const T* grad_next,
                                                   const RecurrentShape& shape, int64_t sample,
                                                   int64_t i) {
  using A = accumulator_t<T>;
  const A out = grad_hidden ? cuda::widen(grad_hidden[sample * shape.state_stride + i]) : A(0);
  return grad_next ? out + cuda::widen(grad_next[sample * shape.hidden + i]) : out;
}

template <typename T>
__device__ inline void lstm_backward_element(const LstmBackwardArguments<T>& step, int64_t sample,
                                             int64_t i) {
  using A = accumulator_t<T>;
  const RecurrentShape& shape = step.shape;
  const T* const in = step.gates + sample * shape.gate_stride + i;
  const LstmGates<A> gates{cuda::widen(in[0]), cuda::widen(in[shape.hidden]),
                           cuda::widen(in[2 * shape.hidden]), cuda::widen(in[3 * shape.hidden])};
  const LstmGates<A> gradients = lstm_gradients<cuda::Math>(
      gates, step.cell[sample * shape.state_stride + i],
      step.cell_before[sample * shape.before_stride + i],
      hidden_gradient(step.grad_hidden, step.grad_next, shape, sample, i),
      step.grad_cell[sample * shape.hidden + i]);
  T* const out = step.grad_gates + sample * shape.gate_stride + i;
  out[0] = cuda::narrow<T>(gradients.input);
  out[shape.hidden] = cuda::narrow<T>(gradients.forget);
  out[2 * shape.hidden] = cuda::narrow<T>(gradients.candidate);
  out[3 * shape.hidden] = cuda::narrow<T>(gradients.output);
}

template <typename T>
__device__ inline void gru_forward_element(const GruForwardArguments<T>& step, int64_t sample,
                                           int64_t i) {
  using A = accumulator_t<T>;
  const RecurrentShape& shape = step.shape;
  const auto of_input = [&](int64_t g) {
    return cuda::widen(step.projected[sample * shape.gate_stride + g * shape.hidden + i]);
  };
  const auto of_hidden = [&](int64_t g) {
    const int64_t at = g * shape.hidden + i;
    const A bias = step.bias ? cuda::widen(step.bias[at]) : A(0);
    return cuda::widen(step.recurrent[sample * 3 * shape.hidden + at]) + bias;
  };
  const A reset = logistic<cuda::Math>(of_input(0) + of_hidden(0));
  const A update = logistic<cuda::Math>(of_input(1) + of_hidden(1));
  const A recurrent = of_hidden(2);
  const A candidate = cuda::Math::tanh(of_input(2) + reset * recurrent);
  const A before = cuda::widen(step.hidden_before[sample * shape.before_stride + i]);
  T* const out = step.gates + sample * shape.gate_stride + i;
  out[0] = cuda::narrow<T>(reset);
  out[shape.hidden] = cuda::narrow<T>(update);
  out[2 * shape.hidden] = cuda::narrow<T>(candidate);
  step.candidate[sample * shape.state_stride + i] = cuda::narrow<T>(recurrent);
  step.hidden[sample * shape.state_stride + i] =
      cuda::narrow<T>((A(1) - update) * candidate + update * before);
}

template <typename T>
__device__ inline void gru_backward_element(const GruBackwardArguments<T>& step, int64_t sample,
                                            int64_t i) {
  using A = accumulator_t<T>;
  const RecurrentShape& shape = step.shape;
  const T* const in = step.gates + sample * shape.gate_stride + i;
  const GruGates<A> gates{cuda::widen(in[0]), cuda::widen(in[shape.hidden]),
                          cuda::widen(in[2 * shape.hidden])};
  const A gradient = hidden_gradient(step.grad_hidden, step.grad_next, shape, sample, i);
  const GruGates<A> gradients =
      gru_gradients(gates, cuda::widen(step.candidate[sample * shape.state_stride + i]),
                    cuda::widen(step.hidden_before[sample * shape.before_stride + i]), gradient);
  T* const projected = step.grad_projected + sample * shape.gate_stride + i;
  T* const recurrent = step.grad_recurrent + sample * shape.gate_stride + i;
  recurrent[0] = projected[0] = cuda::narrow<T>(gradients.reset);
  recurrent[shape.hidden] = projected[shape.hidden] = cuda::narrow<T>(gradients.update);
  projected[2 * shape.hidden] = cuda::narrow<T>(gradients.candidate);
  recurrent[2 * shape.hidden] = cuda::narrow<T>(gradients.candidate * gates.reset);
  step.grad_before[sample * shape.hidden + i] = cuda::narrow<T>(gradient * gates.update);
}

// One thread per element of the state.
template <typename T>
__global__ void lstm_forward_kernel(LstmForwardArguments<T> step) {
  const int64_t i = cuda::global_thread();
  if (i >= step.shape.batch * step.shape.hidden) return;
  lstm_forward_element(step, i / step.shape.hidden, i % step.shape.hidden);
}

// One thread per element of the state.
template <typename T>
__global__ void lstm_backward_kernel(LstmBackwardArguments<T> step) {
  const int64_t i = cuda::global_thread();
  if (i >= step.shape.batch * step.shape.hidden) return;
  lstm_backward_element(step, i / step.shape.hidden, i % step.shape.hidden);
}

// One thread per element of the state.
template <typename T>
__global__ void gru_forward_kernel(GruForwardArguments<T> step) {
  const int64_t i = cuda::global_thread();
  if (i >= step.shape.batch * step.shape.hidden) return;
  gru_forward_element(step, i / step.shape.hidden, i % step.shape.hidden);
}

// One thread per element of the state.
template <typename T>
__global__ void gru_backward_kernel(GruBackwardArguments<T> step) {
  const int64_t i = cuda::global_thread();
  if (i >= step.shape.batch * step.shape.hidden) return;
  gru_backward_element(step, i / step.shape.hidden, i % step.shape.hidden);
}

}  // namespace

template <typename T>
void lstm_step_forward(OnCuda on, const LstmForwardArguments<T>& step) {
  cuda::launch(lstm_forward_kernel<T>, cuda::thread_each(on, step.shape.batch * step.shape.hidden),
               step);
}

template <typename T>
void lstm_step_backward(OnCuda on, const LstmBackwardArguments<T>& step) {
  cuda::launch(lstm_backward_kernel<T>, cuda::thread_each(on, step.shape.batch * step.shape.hidden),
               step);
}

template <typename T>
void gru_step_forward(OnCuda on, const GruForwardArguments<T>& step) {
  cuda::launch(gru_forward_kernel<T>, cuda::thread_each(on, step.shape.batch * step.shape.hidden),
               step);
}

template <typename T>
void gru_step_backward(OnCuda on, const GruBackwardArguments<T>& step) {
  cuda::launch(gru_backward_kernel<T>, cuda::thread_each(on, step.shape.batch * step.shape.hidden),
               step);
}

template void lstm_step_forward(OnCuda, const LstmForwardArguments<float>&);
template void lstm_step_forward(OnCuda, const LstmForwardArguments<double>&);
template void lstm_step_forward(OnCuda, const LstmForwardArguments<bfloat16>&);
template void lstm_step_forward(OnCuda, const LstmForwardArguments<float16>&);

template void lstm_step_backward(OnCuda, const LstmBackwardArguments<float>&);
template void lstm_step_backward(OnCuda, const LstmBackwardArguments<double>&);
template void lstm_step_backward(OnCuda, const LstmBackwardArguments<bfloat16>&);
template void lstm_step_backward(OnCuda, const LstmBackwardArguments<float16>&);

template void gru_step_forward(OnCuda, const GruForwardArguments<float>&);
template void gru_step_forward(OnCuda, const GruForwardArguments<double>&);
template void gru_step_forward(OnCuda, const GruForwardArguments<bfloat16>&);
template void gru_step_forward(OnCuda, const GruForwardArguments<float16>&);

template void gru_step_backward(OnCuda, const GruBackwardArguments<float>&);
template void gru_step_backward(OnCuda, const GruBackwardArguments<double>&);
template void gru_step_backward(OnCuda, const GruBackwardArguments<bfloat16>&);
template void gru_step_backward(OnCuda, const GruBackwardArguments<float16>&);

}  // namespace ripieno::kernels
