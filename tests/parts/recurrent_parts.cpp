#include <memory>

#include "parts/part.h"
#include "ripieno/core/autograd.h"
#include "ripieno/core/nn/recurrent.h"
#include "ripieno/core/ops/recurrent.h"

namespace ripieno::testing {
namespace {

using Call = std::function<Tensors(const Tensors&)>;

// Inputs: x, the weights of input and recurrence, and, if there are more, both biases and then the
// states.
Call lstm_of(bool reversed) {
  return [reversed](const Tensors& x) {
    const auto given = [&](std::size_t i) { return i < x.size() ? x[i] : Tensor(); };
    const Recurrence result =
        lstm(x[0], {x[1], x[2], given(3), given(4)}, given(5), given(6), reversed);
    return Tensors{result.outputs, result.hidden, result.cell};
  };
}

Call gru_of(bool reversed) {
  return [reversed](const Tensors& x) {
    const auto given = [&](std::size_t i) { return i < x.size() ? x[i] : Tensor(); };
    const Recurrence result = gru(x[0], {x[1], x[2], given(3), given(4)}, given(5), reversed);
    return Tensors{result.outputs, result.hidden};
  };
}

// Inputs: x, and the parameters of the layer in 128ths, one after the other.
template <typename Layer>
Call layer_of(const nn::RecurrentOptions& options) {
  // The layer of the last call, which its backward needs.
  const auto kept = std::make_shared<std::unique_ptr<Layer>>();
  return [options, kept](const Tensors& x) {
    *kept = std::make_unique<Layer>(x[0].size(2), 3, options);
    const auto& layer = *kept;
    layer->to(x[0].device(), x[0].dtype());
    const auto numerators = x[1].to_vector<double>();
    std::size_t next = 0;
    {
      const NoGrad no_grad;
      for (const auto& [name, tensor] : layer->parameters()) {
        std::vector<double> values;
        for (int64_t i = 0; i < tensor.elements(); ++i) values.push_back(numerators[next++] / 128);
        Tensor(tensor).copy_from(Tensor::of(tensor.shape(), values));
      }
    }
    const nn::RecurrentResult result = (*layer)(x[0], nn::RecurrentState{});
    Tensors outputs{result.outputs, result.state.hidden};
    if (result.state.cell.defined()) outputs.push_back(result.state.cell);
    return outputs;
  };
}

std::vector<Case> cases_of(const std::function<Call(bool)>& call) {
  return {{"defaults", call(false)},     {"reversed", call(true)},
          {"without_bias", call(false)}, {"one_step", call(false)},
          {"from_a_state", call(false)}, {"reversed_from_a_state", call(true)}};
}

template <typename Layer>
std::vector<Case> layer_cases() {
  return {{"stacked", layer_of<Layer>({.layers = 2})},
          {"bidirectional", layer_of<Layer>({.layers = 2, .bidirectional = true})}};
}

}  // namespace

PartList recurrent_parts() {
  return {"recurrent",
          {
              {.name = "lstm", .cases = cases_of(lstm_of)},
              {.name = "gru", .cases = cases_of(gru_of)},
              {.name = "lstm_layer", .kind = PartKind::layer, .cases = layer_cases<nn::Lstm>()},
              {.name = "gru_layer", .kind = PartKind::layer, .cases = layer_cases<nn::Gru>()},
          }};
}

}  // namespace ripieno::testing
