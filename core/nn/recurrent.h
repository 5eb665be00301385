// Lstm and Gru: recurrent layers over sequences, stacked and in both directions.
//
// Parameters have the names of PyTorch's: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, and
// those of the reversed direction with "_reverse".
#pragma once

#include <vector>

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/recurrent.h"

namespace ripieno::nn {

struct RecurrentOptions {
  int64_t layers = 1;
  bool bidirectional = false;
  double dropout = 0.0;  // of the outputs of each layer but the last
  bool bias = true;
};

// The states of all layers and directions: (layers * directions, batch, hidden).
struct RecurrentState {
  Tensor hidden, cell;  // the cell is of an LSTM only
};

struct RecurrentResult {
  Tensor outputs;  // of the last layer, (batch, time, directions * hidden)
  RecurrentState state;
};

class Recurrent : public Module {
 public:
  using Module::operator();
  // x: (batch, time, inputs) -> the outputs of the last layer, from a state of zeros.
  Tensor forward(const Tensor& x) const override { return (*this)(x, RecurrentState{}).outputs; }
  // The same from a given state; undefined tensors are zeros.
  RecurrentResult operator()(const Tensor& x, const RecurrentState& state) const;

 protected:
  enum class Kind { lstm, gru };
  // Uniform in +-1 / sqrt(hidden). Throws ConfigurationError for options outside their domain.
  Recurrent(Kind kind, int64_t inputs, int64_t hidden, const RecurrentOptions& options);

 private:
  Kind kind_;
  int64_t hidden_;
  RecurrentOptions options_;
  std::vector<RecurrentWeights> weights_;  // (layers * directions)
};

class Lstm final : public Recurrent {
 public:
  Lstm(int64_t inputs, int64_t hidden, const RecurrentOptions& options = {})
      : Recurrent(Kind::lstm, inputs, hidden, options) {}
};

class Gru final : public Recurrent {
 public:
  Gru(int64_t inputs, int64_t hidden, const RecurrentOptions& options = {})
      : Recurrent(Kind::gru, inputs, hidden, options) {}
};

}  // namespace ripieno::nn
