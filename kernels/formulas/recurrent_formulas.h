// An LSTM's and a GRU's arithmetic for one element of the state, for the kernels of both places.
// Math: the elementary functions of the place.
#pragma once

#include "ripieno/kernels/formulas/formula.h"

namespace ripieno::kernels {

template <typename Math, typename A>
RIPIENO_FORMULA A logistic(A x) {
  return A(0.5) * (A(1) + Math::tanh(A(0.5) * x));
}

template <typename A>
struct LstmGates {
  A input, forget, candidate, output;
};

// The gates after their activations, from before them.
template <typename Math, typename A>
RIPIENO_FORMULA LstmGates<A> lstm_gates(A input, A forget, A candidate, A output) {
  return {logistic<Math>(input), logistic<Math>(forget), Math::tanh(candidate),
          logistic<Math>(output)};
}

// The gradients of the gates before their activations. grad_cell becomes that of the cell before.
template <typename Math, typename A>
RIPIENO_FORMULA LstmGates<A> lstm_gradients(const LstmGates<A>& gates, A cell, A cell_before,
                                            A grad_hidden, A& grad_cell) {
  const A squashed = Math::tanh(cell);
  const A to_cell = grad_cell + grad_hidden * gates.output * (A(1) - squashed * squashed);
  grad_cell = to_cell * gates.forget;
  return {to_cell * gates.candidate * gates.input * (A(1) - gates.input),
          to_cell * cell_before * gates.forget * (A(1) - gates.forget),
          to_cell * gates.input * (A(1) - gates.candidate * gates.candidate),
          grad_hidden * squashed * gates.output * (A(1) - gates.output)};
}

template <typename A>
struct GruGates {
  A reset, update, candidate;
};

// The gradients of the gates before their activations.
template <typename A>
RIPIENO_FORMULA GruGates<A> gru_gradients(const GruGates<A>& gates, A recurrent_candidate,
                                          A hidden_before, A grad_hidden) {
  const A to_candidate =
      grad_hidden * (A(1) - gates.update) * (A(1) - gates.candidate * gates.candidate);
  return {to_candidate * recurrent_candidate * gates.reset * (A(1) - gates.reset),
          grad_hidden * (hidden_before - gates.candidate) * gates.update * (A(1) - gates.update),
          to_candidate};
}

}  // namespace ripieno::kernels
