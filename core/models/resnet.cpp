#include "ripieno/core/models/resnet.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "ripieno/core/models/parameter_limit.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/pooling.h"

namespace ripieno::nn {
namespace {

constexpr int64_t kExpansion = 4;  // of a bottleneck

// Without a bias, since a batch norm follows; normal with the variance of the outputs (He et al.,
// 2015, arXiv 1502.01852).
ConvLayerOptions convolution(int64_t outputs, int64_t kernel, int64_t stride) {
  const double read = static_cast<double>(outputs * kernel * kernel);
  return {.stride = stride,
          .padding = kernel / 2,
          .bias = false,
          .weight = Initial::normal(std::sqrt(2.0 / read))};
}

int64_t expansion(const ResNetOptions& options) { return options.bottleneck ? kExpansion : 1; }

const ResNetOptions& checked(const ResNetOptions& o) {
  const bool positive =
      std::min({o.inputs, o.classes, o.width}) >= 1 && !o.blocks.empty() && o.blocks.size() <= 8 &&
      std::all_of(o.blocks.begin(), o.blocks.end(), [](int64_t blocks) { return blocks >= 1; });
  if (!positive)
    throw ConfigurationError(
        fmt::format("resnet: inputs is {}, classes is {}, width is {}, blocks are {}; all must be "
                    "at least 1, in at most 8 stages",
                    o.inputs, o.classes, o.width, fmt::join(o.blocks, ", ")));
  double parameters = 0, width = static_cast<double>(o.width);
  for (const int64_t blocks : o.blocks) {
    parameters += 18.0 * static_cast<double>(blocks) * width * width;
    width *= 2;
  }
  if (parameters > kMaxParameters)
    throw ConfigurationError(
        fmt::format("resnet: width {} and blocks {} give {:.3g} parameters, more than the maximum "
                    "of {:.3g}; use a smaller width",
                    o.width, fmt::join(o.blocks, ", "), parameters, kMaxParameters));
  return o;
}

}  // namespace

ResNetOptions resnet18(int64_t inputs, int64_t classes) {
  return {.inputs = inputs, .classes = classes};
}

ResNetOptions resnet50(int64_t inputs, int64_t classes) {
  return {.inputs = inputs, .classes = classes, .blocks = {3, 4, 6, 3}, .bottleneck = true};
}

ResNetOptions resnet20(int64_t inputs, int64_t classes) {
  return {
      .inputs = inputs, .classes = classes, .blocks = {3, 3, 3}, .width = 16, .small_images = true};
}

// A convolution and its norm, named "0" and "1" as in torchvision.
struct ResNetBlock::Shortcut final : Module {
  Shortcut(int64_t inputs, int64_t outputs, int64_t stride)
      : conv(inputs, outputs, 1, convolution(outputs, 1, stride)), norm(outputs) {
    add("0", conv);
    add("1", norm);
  }
  Tensor forward(const Tensor& x) const override { return norm(conv(x)); }

  Conv2d conv;
  BatchNorm norm;
};

ResNetBlock::ResNetBlock(int64_t inputs, int64_t width, int64_t stride, bool bottleneck) {
  const int64_t outputs = bottleneck ? kExpansion * width : width;
  const auto append = [&](int64_t from, int64_t to, int64_t kernel, int64_t step) {
    convolutions_.emplace_back(from, to, kernel, convolution(to, kernel, step));
    norms_.emplace_back(to);
    const std::string number = std::to_string(convolutions_.size());
    add("conv" + number, convolutions_.back());
    add("bn" + number, norms_.back());
  };
  if (bottleneck) {
    append(inputs, width, 1, 1);
    append(width, width, 3, stride);
    append(width, outputs, 1, 1);
  } else {
    append(inputs, width, 3, stride);
    append(width, width, 3, 1);
  }
  if (stride == 1 && inputs == outputs) return;
  shortcut_ = std::make_unique<Shortcut>(inputs, outputs, stride);
  add("downsample", *shortcut_);
}

ResNetBlock::~ResNetBlock() = default;

Tensor ResNetBlock::forward(const Tensor& x) const {
  Tensor y = x;
  for (std::size_t i = 0; i < convolutions_.size(); ++i) {
    y = norms_[i](convolutions_[i](y));
    if (i + 1 < convolutions_.size()) y = relu(y);
  }
  return relu(y + (shortcut_ ? (*shortcut_)(x) : x));
}

ResNet::ResNet(const ResNetOptions& options)
    : options_(checked(options)),
      conv1_(
          options.inputs, options.width, options.small_images ? 3 : 7,
          convolution(options.width, options.small_images ? 3 : 7, options.small_images ? 1 : 2)),
      bn1_(options.width),
      fc_((options.width << (options.blocks.size() - 1)) * expansion(options), options.classes) {
  add("conv1", conv1_);
  add("bn1", bn1_);
  int64_t inputs = options.width;
  for (std::size_t stage = 0; stage < options.blocks.size(); ++stage) {
    const int64_t width = options.width << stage;
    for (int64_t i = 0; i < options.blocks[stage]; ++i) {
      const int64_t stride = stage > 0 && i == 0 ? 2 : 1;
      ResNetBlock& block = blocks_.emplace_back(inputs, width, stride, options.bottleneck);
      add(fmt::format("layer{}.{}", stage + 1, i), block, Unit::yes);
      inputs = width * expansion(options);
    }
  }
  add("fc", fc_);
}

Tensor ResNet::forward(const Tensor& images) const {
  Tensor x = relu(bn1_(conv1_(images)));
  if (!options_.small_images) x = max_pool(x, 3, {.stride = 2, .padding = 1});
  for (const ResNetBlock& block : blocks_) x = block(x);
  return fc_(global_average_pool(x));
}

}  // namespace ripieno::nn
