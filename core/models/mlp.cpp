#include "ripieno/core/models/mlp.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ripieno/core/models/parameter_limit.h"

namespace ripieno::nn {

Mlp::Mlp(const std::vector<int64_t>& sizes) {
  if (sizes.size() < 2)
    throw ConfigurationError(
        fmt::format("mlp: requires at least two sizes, of input and output, got {}", sizes.size()));
  double parameters = 0;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (sizes[i] < 1 || sizes[i + 1] < 1)
      throw ConfigurationError(
          fmt::format("mlp: sizes must be at least 1, got {}", fmt::join(sizes, ", ")));
    parameters += (static_cast<double>(sizes[i]) + 1) * static_cast<double>(sizes[i + 1]);
    if (parameters > kMaxParameters)
      throw ConfigurationError(
          fmt::format("mlp: sizes {} give {:.3g} parameters, more than the maximum of {:.3g}; use "
                      "smaller layers",
                      fmt::join(sizes, ", "), parameters, kMaxParameters));
    const bool last = i + 2 == sizes.size();
    auto& layer = layers_.emplace_back(
        sizes[i], sizes[i + 1],
        LinearOptions{.activation = last ? Activation::kNone : Activation::kRelu});
    add("layers." + std::to_string(i), layer, Unit::yes);
  }
}

Tensor Mlp::forward(const Tensor& x) const {
  Tensor result = x;
  for (const Linear& layer : layers_) result = layer(result);
  return result;
}

Loss Mlp::loss(const Tensor& x, const Tensor& targets) const {
  return cross_entropy((*this)(x), targets);
}

}  // namespace ripieno::nn
