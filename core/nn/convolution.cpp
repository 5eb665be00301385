#include "ripieno/core/nn/convolution.h"

#include <fmt/format.h>

namespace ripieno::nn {
namespace {

ConvOptions options_of(const ConvLayerOptions& options) {
  return {.stride = options.stride,
          .padding = options.padding,
          .dilation = options.dilation,
          .groups = options.groups};
}

// `read`: the number of elements that an output is computed from.
Initial standard(int64_t read) {
  return Initial::uniform(1.0 / std::sqrt(static_cast<double>(read)));
}

}  // namespace

void internal::check_convolution(const char* layer, int64_t inputs, int64_t outputs,
                                 const PerAxis& kernel, int64_t groups) {
  if (inputs < 1 || outputs < 1 || kernel.y < 1 || kernel.x < 1)
    throw ConfigurationError(
        fmt::format("{}: inputs is {}, outputs is {}, kernel is {}; they must be at least 1", layer,
                    inputs, outputs, to_string(kernel)));
  if (groups < 1 || inputs % groups != 0 || outputs % groups != 0)
    throw ConfigurationError(
        fmt::format("{}: inputs is {}, outputs is {}, groups is {}; inputs and outputs must be "
                    "multiples of groups",
                    layer, inputs, outputs, groups));
}

Conv1d::Conv1d(int64_t inputs, int64_t outputs, int64_t kernel, const ConvLayerOptions& options)
    : options_(options_of(options)) {
  internal::check_convolution("conv1d", inputs, outputs, kernel, options.groups);
  const int64_t channels = inputs / options.groups;
  const Initial initial = standard(channels * kernel);
  weight_ = add_parameter("weight", {outputs, channels, kernel}, options.weight.value_or(initial));
  if (options.bias)
    bias_ = add_parameter("bias", {outputs}, options.bias_initial.value_or(initial));
}

Conv2d::Conv2d(int64_t inputs, int64_t outputs, const PerAxis& kernel,
               const ConvLayerOptions& options)
    : options_(options_of(options)) {
  internal::check_convolution("conv2d", inputs, outputs, kernel, options.groups);
  const int64_t channels = inputs / options.groups;
  const Initial initial = standard(channels * kernel.y * kernel.x);
  weight_ = add_parameter("weight", {outputs, channels, kernel.y, kernel.x},
                          options.weight.value_or(initial));
  if (options.bias)
    bias_ = add_parameter("bias", {outputs}, options.bias_initial.value_or(initial));
}

}  // namespace ripieno::nn
