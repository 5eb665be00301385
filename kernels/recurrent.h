// One step in time of an LSTM (Hochreiter and Schmidhuber, 1997) and of a GRU (Cho et al., 2014, in
// the form of cuDNN and PyTorch), without its products, and their gradients.
//
// Gates are in the order of PyTorch: input, forget, cell, output for an LSTM; reset, update, new
// for a GRU. Arrays are (batch, …): the rows of one sample are `hidden` elements per gate, and
// samples are a stride apart, so that a step reads and writes its part of (batch, time, …).
#pragma once

#include <cstdint>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

struct RecurrentShape {
  int64_t batch = 0, hidden = 0;
  int64_t gate_stride = 0;    // of projected, gates and their gradients
  int64_t state_stride = 0;   // of the step's hidden and cell
  int64_t before_stride = 0;  // of the hidden or cell before the step
};

template <typename T>
struct LstmForwardArguments {
  T* hidden = nullptr;               // written
  accumulator_t<T>* cell = nullptr;  // written
  T* gates = nullptr;                // written: activated
  const T* projected = nullptr;      // from the step's input
  const T* recurrent = nullptr;      // (batch, 4 hidden), from the hidden before
  const T* bias = nullptr;           // (4 hidden), or null
  const accumulator_t<T>* cell_before = nullptr;
  RecurrentShape shape = {};
};
template <typename T>
void lstm_step_forward(OnCpu, const LstmForwardArguments<T>& step);
template <typename T>
void lstm_step_forward(OnCuda, const LstmForwardArguments<T>& step);

template <typename T>
struct LstmBackwardArguments {
  T* grad_gates = nullptr;  // written: of projected, and of recurrent
  accumulator_t<T>* grad_cell =
      nullptr;                     // (batch, hidden), of this step's cell; then of the one before
  const T* grad_hidden = nullptr;  // with state_stride, or null
  const T* grad_next = nullptr;    // (batch, hidden), from the next step, or null
  const T* gates = nullptr;
  const accumulator_t<T>* cell = nullptr;
  const accumulator_t<T>* cell_before = nullptr;
  RecurrentShape shape = {};
};
template <typename T>
void lstm_step_backward(OnCpu, const LstmBackwardArguments<T>& step);
template <typename T>
void lstm_step_backward(OnCuda, const LstmBackwardArguments<T>& step);

template <typename T>
struct GruForwardArguments {
  T* hidden = nullptr;           // written
  T* gates = nullptr;            // written: activated
  T* candidate = nullptr;        // written: the recurrent part of `new`, with state_stride
  const T* projected = nullptr;  // from the step's input
  const T* recurrent = nullptr;  // (batch, 3 hidden), from the hidden before
  const T* bias = nullptr;       // (3 hidden), or null
  const T* hidden_before = nullptr;
  RecurrentShape shape = {};
};
template <typename T>
void gru_step_forward(OnCpu, const GruForwardArguments<T>& step);
template <typename T>
void gru_step_forward(OnCuda, const GruForwardArguments<T>& step);

template <typename T>
struct GruBackwardArguments {
  T* grad_projected = nullptr;     // written, with gate_stride
  T* grad_recurrent = nullptr;     // written, with gate_stride
  T* grad_before = nullptr;        // (batch, hidden), written: without that of the product
  const T* grad_hidden = nullptr;  // with state_stride, or null
  const T* grad_next = nullptr;    // (batch, hidden), from the next step, or null
  const T* gates = nullptr;
  const T* candidate = nullptr;
  const T* hidden_before = nullptr;
  RecurrentShape shape = {};
};
template <typename T>
void gru_step_backward(OnCpu, const GruBackwardArguments<T>& step);
template <typename T>
void gru_step_backward(OnCuda, const GruBackwardArguments<T>& step);

}  // namespace ripieno::kernels
