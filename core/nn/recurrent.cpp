#include "ripieno/core/nn/recurrent.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/dropout.h"

namespace ripieno::nn {
namespace {

int64_t directions_of(const RecurrentOptions& options) { return options.bidirectional ? 2 : 1; }

void check(int64_t inputs, int64_t hidden, const RecurrentOptions& options) {
  if (inputs < 1 || hidden < 1 || options.layers < 1 || options.layers > 1000)
    throw ConfigurationError(
        fmt::format("recurrent: inputs is {}, hidden is {}, layers is {}; they must be at least 1, "
                    "and layers at most 1000",
                    inputs, hidden, options.layers));
  if (!(options.dropout >= 0.0 && options.dropout < 1.0))
    throw ConfigurationError(
        fmt::format("recurrent: dropout is {}; it must be in [0, 1)", options.dropout));
}

// Tensor number `i` of a stack, undefined if the stack is.
Tensor part_of(const Tensor& stack, int64_t i) {
  if (!stack.defined()) return {};
  return stack.slice(0, i, i + 1).reshape({stack.size(1), stack.size(2)});
}

// Dense copies of tensors side by side along `axis`; recorded.
Tensor joined(const std::vector<Tensor>& parts, int axis) {
  if (parts.size() == 1) return parts.front();
  Shape shape = parts.front().shape();
  int64_t size = 0;
  for (const Tensor& part : parts) size += part.size(axis);
  shape[shape.axis(axis)] = size;
  const Tensor result(shape, parts.front().dtype(), parts.front().device());
  {
    const NoGrad no_grad;
    int64_t begin = 0;
    for (const Tensor& part : parts) {
      result.slice(axis, begin, begin + part.size(axis)).copy_from(part);
      begin += part.size(axis);
    }
  }
  const std::vector<Tensor> outputs = {result};
  autograd::record("join", std::span<const Tensor>(outputs), std::span<const Tensor>(parts),
                   [axis, shapes = [&] {
                     std::vector<int64_t> sizes;
                     for (const Tensor& part : parts) sizes.push_back(part.size(axis));
                     return sizes;
                   }()](std::span<Tensor> gradient, autograd::Gradients& gradients) {
                     int64_t begin = 0;
                     for (std::size_t i = 0; i < shapes.size(); ++i) {
                       const int64_t end = begin + shapes[i];
                       if (gradients.wanted(static_cast<int>(i)))
                         gradients.add(static_cast<int>(i),
                                       gradient[0].slice(axis, begin, end).clone());
                       begin = end;
                     }
                   });
  return result;
}

void require_state(const char* name, const Tensor& state, const Shape& wanted) {
  if (!state.defined() || state.shape() == wanted) return;
  fail(
      fmt::format("recurrent: the {} state is {}; it must be {} (layers x directions, batch, "
                  "hidden)",
                  name, to_string(state.shape()), to_string(wanted)));
}

}  // namespace

Recurrent::Recurrent(Kind kind, int64_t inputs, int64_t hidden, const RecurrentOptions& options)
    : kind_(kind), hidden_(hidden), options_(options) {
  check(inputs, hidden, options);
  const int64_t gates = kind == Kind::lstm ? 4 : 3;
  const Initial initial = Initial::uniform(1.0 / std::sqrt(static_cast<double>(hidden)));
  for (int64_t layer = 0; layer < options.layers; ++layer) {
    const int64_t width = layer == 0 ? inputs : hidden * directions_of(options);
    for (int64_t direction = 0; direction < directions_of(options); ++direction) {
      const std::string end = fmt::format("_l{}{}", layer, direction == 1 ? "_reverse" : "");
      RecurrentWeights& weights = weights_.emplace_back();
      weights.input = add_parameter("weight_ih" + end, {gates * hidden, width}, initial);
      weights.recurrent = add_parameter("weight_hh" + end, {gates * hidden, hidden}, initial);
      if (!options.bias) continue;
      weights.input_bias = add_parameter("bias_ih" + end, {gates * hidden}, initial);
      weights.recurrent_bias = add_parameter("bias_hh" + end, {gates * hidden}, initial);
    }
  }
}

RecurrentResult Recurrent::operator()(const Tensor& x, const RecurrentState& state) const {
  const int64_t directions = directions_of(options_);
  if (!x.defined() || x.rank() != 3)
    fail("recurrent: x is " + describe(x) + "; it must be (batch, time, inputs)");
  const Shape stack = {static_cast<int64_t>(weights_.size()), x.size(0), hidden_};
  require_state("hidden", state.hidden, stack);
  require_state("cell", state.cell, stack);
  Tensor outputs = x;
  std::vector<Tensor> hidden, cell;
  for (int64_t layer = 0; layer < options_.layers; ++layer) {
    std::vector<Tensor> of_directions;
    for (int64_t direction = 0; direction < directions; ++direction) {
      const int64_t i = layer * directions + direction;
      const RecurrentWeights& weights = weights_[static_cast<std::size_t>(i)];
      const Tensor before = part_of(state.hidden, i);
      const Recurrence result = kind_ == Kind::lstm ? lstm(outputs, weights, before,
                                                           part_of(state.cell, i), direction == 1)
                                                    : gru(outputs, weights, before, direction == 1);
      of_directions.push_back(result.outputs);
      hidden.push_back(result.hidden.reshape({1, x.size(0), hidden_}));
      if (result.cell.defined()) cell.push_back(result.cell.reshape({1, x.size(0), hidden_}));
    }
    outputs = joined(of_directions, -1);
    const bool drops = is_training() && options_.dropout > 0.0 && layer + 1 < options_.layers;
    if (drops)
      outputs = dropout(outputs, options_.dropout, random_stream() + static_cast<uint64_t>(layer));
  }
  return {outputs, {joined(hidden, 0), cell.empty() ? Tensor() : joined(cell, 0)}};
}

}  // namespace ripieno::nn
