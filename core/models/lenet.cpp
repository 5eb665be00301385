#include "ripieno/core/models/lenet.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>

#include "ripieno/core/models/parameter_limit.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/pooling.h"

namespace ripieno::nn {
namespace {

constexpr int64_t kKernel = 5;

// Rows or columns after both poolings.
int64_t pooled(int64_t size, int64_t padding) { return (size / 2 + 2 * padding - kKernel + 1) / 2; }

const LeNetOptions& checked(const LeNetOptions& o) {
  if (o.channels.size() != 2)
    throw ConfigurationError(
        fmt::format("lenet: channels has {} values; it must have 2, one for each convolution",
                    o.channels.size()));
  const bool positive =
      std::min({o.inputs, o.classes, o.channels[0], o.channels[1]}) >= 1 &&
      std::all_of(o.hidden.begin(), o.hidden.end(), [](int64_t width) { return width >= 1; });
  if (!positive)
    throw ConfigurationError(
        fmt::format("lenet: inputs is {}, classes is {}, channels are {}, hidden is {}; all must "
                    "be at least 1",
                    o.inputs, o.classes, fmt::join(o.channels, ", "), fmt::join(o.hidden, ", ")));
  if (std::min(o.height, o.width) < 4)
    throw ConfigurationError(
        fmt::format("lenet: images are {} x {}; they must be at least 4 x 4", o.height, o.width));
  double parameters = static_cast<double>(o.channels[0]) *
                      (25.0 * (static_cast<double>(o.inputs) + static_cast<double>(o.channels[1])));
  double inputs = static_cast<double>(o.channels[1]) * static_cast<double>(o.height / 4) *
                  static_cast<double>(o.width / 4);
  for (const int64_t width : o.hidden) {
    parameters += inputs * static_cast<double>(width);
    inputs = static_cast<double>(width);
  }
  parameters += inputs * static_cast<double>(o.classes);
  if (parameters > kMaxParameters)
    throw ConfigurationError(fmt::format(
        "lenet: channels {} and hidden {} give {:.3g} parameters, more than the "
        "maximum of {:.3g}; use smaller layers",
        fmt::join(o.channels, ", "), fmt::join(o.hidden, ", "), parameters, kMaxParameters));
  return o;
}

}  // namespace

int64_t LeNet::second_padding(const LeNetOptions& o) {
  return std::min(o.height, o.width) < 20 ? kKernel / 2 : 0;
}

int64_t LeNet::features(const LeNetOptions& o) {
  const int64_t padding = second_padding(o);
  return o.channels[1] * pooled(o.height, padding) * pooled(o.width, padding);
}

LeNet::LeNet(const LeNetOptions& o)
    : conv1_(checked(o).inputs, o.channels[0], kKernel, {.padding = kKernel / 2}),
      conv2_(o.channels[0], o.channels[1], kKernel, {.padding = second_padding(o)}) {
  add("conv1", conv1_, Unit::yes);
  add("conv2", conv2_, Unit::yes);
  int64_t inputs = features(o);
  std::vector<int64_t> outputs = o.hidden;
  outputs.push_back(o.classes);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const bool last = i + 1 == outputs.size();
    auto& layer = linear_.emplace_back(
        inputs, outputs[i],
        LinearOptions{.activation = last ? Activation::kNone : Activation::kRelu});
    add("linear." + std::to_string(i), layer, Unit::yes);
    inputs = outputs[i];
  }
}

Tensor LeNet::forward(const Tensor& images) const {
  const Tensor first = max_pool(relu(conv1_(images)), 2);
  Tensor x = max_pool(relu(conv2_(first)), 2);
  x = x.reshape({x.size(0), x.size(1) * x.size(2) * x.size(3)});
  for (const Linear& layer : linear_) x = layer(x);
  return x;
}

}  // namespace ripieno::nn
