// Initial values of weights by the sizes of their layer: Kaiming and Xavier, and the recipes of
// GPT-2 and Llama. All are functions of (seed, path, index), as Initial is.
//
//   nn::Linear up(256, 1024, {.weight = nn::kaiming_normal({1024, 256})});
#pragma once

#include "ripieno/core/nn/module.h"

namespace ripieno::nn {

// The numbers of inputs of an output, and of outputs of an input, of a weight (outputs, inputs) or
// (outputs, inputs, …), such as that of a convolution. Throws Error for fewer than two axes.
struct Fans {
  int64_t in = 0, out = 0;
};
Fans fans_of(const Shape& weight);

enum class Fan { in, out };

struct KaimingOptions {
  Fan fan = Fan::in;                 // in keeps the variance of activations, out that of gradients
  double gain = 1.4142135623730951;  // of ReLU; see the gains below
};

// Deviation gain / sqrt(fan) (He et al., 2015, arXiv 1502.01852).
Initial kaiming_normal(const Shape& weight, const KaimingOptions& options = {});
Initial kaiming_uniform(const Shape& weight, const KaimingOptions& options = {});
// Deviation gain sqrt(2 / (fan in + fan out)) (Glorot and Bengio, 2010).
Initial xavier_normal(const Shape& weight, double gain = 1.0);
Initial xavier_uniform(const Shape& weight, double gain = 1.0);

// The gains by which activations keep the variance.
inline constexpr double kReluGain = 1.4142135623730951, kTanhGain = 5.0 / 3.0, kLinearGain = 1.0;
double leaky_relu_gain(double slope);

// GPT-2 (Radford et al., 2019): all weights and embeddings, and the projections back into the
// residual stream of a model with `layers` blocks. Biases are 0.
Initial gpt2_weight();
Initial gpt2_residual(int64_t layers);

// Llama, as its training codes have it: truncated normal weights; the projections back into the
// residual stream of block `layer`, counted from 0; the head of a model of `channels`. Norms are 1.
Initial llama_weight();
Initial llama_residual(int64_t layer);
Initial llama_head(int64_t channels);

}  // namespace ripieno::nn
