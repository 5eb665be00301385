// Conv1d, Conv2d: convolutions of sequences and images as layers.
//
//   nn::Conv2d convolution(3, 16, 3, {.padding = 1, .bias = false});
#pragma once

#include <cmath>
#include <optional>

#include "ripieno/core/nn/module.h"
#include "ripieno/core/ops/convolution.h"

namespace ripieno::nn {

struct ConvLayerOptions {
  PerAxis stride = 1;
  PerAxis padding = 0;
  PerAxis dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  // Uniform in +-1 / sqrt(inputs of an output) by default, as in PyTorch (Kaiming uniform with
  // a = sqrt(5)).
  std::optional<Initial> weight = {};
  std::optional<Initial> bias_initial = {};
};

namespace internal {

// Throws ConfigurationError unless the sizes are positive and the groups divide both channels.
void check_convolution(const char* layer, int64_t inputs, int64_t outputs, const PerAxis& kernel,
                       int64_t groups);

}  // namespace internal

class Conv1d final : public Module {
 public:
  // inputs, outputs: channels. Throws ConfigurationError for sizes that cannot be.
  Conv1d(int64_t inputs, int64_t outputs, int64_t kernel, const ConvLayerOptions& options = {});

  // (batch, inputs, length) -> (batch, outputs, length of the result).
  Tensor forward(const Tensor& x) const override { return conv1d(x, weight_, bias_, options_); }

  const Tensor& weight() const { return weight_; }  // (outputs, inputs / groups, kernel)
  const Tensor& bias() const { return bias_; }      // (outputs), or undefined

 private:
  ConvOptions options_;
  Tensor weight_, bias_;
};

class Conv2d final : public Module {
 public:
  Conv2d(int64_t inputs, int64_t outputs, const PerAxis& kernel,
         const ConvLayerOptions& options = {});

  // (batch, inputs, height, width) -> (batch, outputs, height and width of the result).
  Tensor forward(const Tensor& x) const override { return conv2d(x, weight_, bias_, options_); }

  // (outputs, inputs / groups, kernel height, kernel width)
  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }  // (outputs), or undefined

 private:
  ConvOptions options_;
  Tensor weight_, bias_;
};

}  // namespace ripieno::nn
