#include "ripieno/core/nn/initializers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ripieno::nn {
namespace {

constexpr double kGptDeviation = 0.02;

void require_gain(const char* name, double gain) {
  if (gain >= 0.0 && std::isfinite(gain)) return;
  fail(fmt::format("{}: gain is {}; it must be at least 0 and finite", name, gain));
}

void require_positive(const char* name, const char* what, int64_t value) {
  if (value > 0) return;
  fail(fmt::format("{}: {} is {}; it must be positive", name, what, value));
}

double kaiming_deviation(const char* name, const Shape& weight, const KaimingOptions& options) {
  require_gain(name, options.gain);
  const Fans fans = fans_of(weight);
  const int64_t fan = std::max<int64_t>(1, options.fan == Fan::in ? fans.in : fans.out);
  return options.gain / std::sqrt(static_cast<double>(fan));
}

double xavier_deviation(const char* name, const Shape& weight, double gain) {
  require_gain(name, gain);
  const Fans fans = fans_of(weight);
  const int64_t both = std::max<int64_t>(1, fans.in + fans.out);
  return gain * std::sqrt(2.0 / static_cast<double>(both));
}

// The uniform distribution of this deviation.
Initial uniform_of(double deviation) { return Initial::uniform(std::numbers::sqrt3 * deviation); }

}  // namespace

Fans fans_of(const Shape& weight) {
  if (weight.rank() < 2) {
    fail(
        fmt::format("initializer: the weight is {}; it must have at least two axes, (outputs, "
                    "inputs, …)",
                    to_string(weight)));
  }
  int64_t positions = 1;  // of a convolution's window
  for (int axis = 2; axis < weight.rank(); ++axis) positions *= weight[axis];
  return {weight[1] * positions, weight[0] * positions};
}

Initial kaiming_normal(const Shape& weight, const KaimingOptions& options) {
  return Initial::normal(kaiming_deviation("kaiming_normal", weight, options));
}

Initial kaiming_uniform(const Shape& weight, const KaimingOptions& options) {
  return uniform_of(kaiming_deviation("kaiming_uniform", weight, options));
}

Initial xavier_normal(const Shape& weight, double gain) {
  return Initial::normal(xavier_deviation("xavier_normal", weight, gain));
}

Initial xavier_uniform(const Shape& weight, double gain) {
  return uniform_of(xavier_deviation("xavier_uniform", weight, gain));
}

double leaky_relu_gain(double slope) { return std::sqrt(2.0 / (1.0 + slope * slope)); }

Initial gpt2_weight() { return Initial::normal(kGptDeviation); }

Initial gpt2_residual(int64_t layers) {
  require_positive("gpt2_residual", "layers", layers);
  return Initial::normal(kGptDeviation / std::sqrt(2.0 * static_cast<double>(layers)));
}

Initial llama_weight() { return Initial::truncated_normal(kGptDeviation); }

Initial llama_residual(int64_t layer) {
  require_positive("llama_residual", "layer + 1", layer + 1);
  return Initial::truncated_normal(kGptDeviation /
                                   std::sqrt(2.0 * (static_cast<double>(layer) + 1.0)));
}

Initial llama_head(int64_t channels) {
  require_positive("llama_head", "channels", channels);
  return Initial::truncated_normal(1.0 / std::sqrt(static_cast<double>(channels)), 3.0);
}

}  // namespace ripieno::nn
