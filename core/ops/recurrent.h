// LSTM (Hochreiter and Schmidhuber, 1997) and GRU (Cho et al., 2014) over a sequence, with their
// gradients through time. The gates and biases are those of PyTorch, in its order.
//
// All tensors have the same floating-point element type and device. Throws Error for others, for
// shapes that do not match, and for a sequence without steps.
#pragma once

#include "ripieno/core/tensor.h"

namespace ripieno {

// Of one layer and direction; gates: 4 for an LSTM (input, forget, cell, output), 3 for a GRU
// (reset, update, new).
struct RecurrentWeights {
  Tensor input = {};           // (gates * hidden, inputs)
  Tensor recurrent = {};       // (gates * hidden, hidden)
  Tensor input_bias = {};      // (gates * hidden), or undefined
  Tensor recurrent_bias = {};  // (gates * hidden), or undefined
};

struct Recurrence {
  Tensor outputs;  // (batch, time, hidden)
  // After the last step, (batch, hidden). The cell is of an LSTM only.
  Tensor hidden, cell;
};

// x: (batch, time, inputs); hidden, cell: (batch, hidden) before the first step, zeros if
// undefined. `reversed`: the last step of the sequence comes first.
Recurrence lstm(const Tensor& x, const RecurrentWeights& weights, const Tensor& hidden = {},
                const Tensor& cell = {}, bool reversed = false);
Recurrence gru(const Tensor& x, const RecurrentWeights& weights, const Tensor& hidden = {},
               bool reversed = false);

}  // namespace ripieno
