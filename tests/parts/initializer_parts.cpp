// Initializers: the deviation or bound that follows from a weight's shape. The numbers drawn are
// compared with their distribution in tests/core/nn/initializers_test.cpp.
#include "parts/part.h"
#include "ripieno/core/nn/initializers.h"
#include "ripieno/core/ops/truncated_normal.h"

namespace ripieno::testing {
namespace {

const Shape kDense = {33, 17}, kWindow = {8, 6, 3, 5};

Case numbers(const std::string& name, double first, double second) {
  return {name, [first, second](const Tensors&) {
            return Tensors{Tensor::of<double>({2}, {first, second})};
          }};
}

Part initializer(const std::string& name, std::vector<Case> cases) {
  return {.name = name,
          .kind = PartKind::initializer,
          .cases = std::move(cases),
          .types = {DType::float64},
          .on_gpu = false};
}

}  // namespace

PartList initializer_parts() {
  using namespace nn;
  const KaimingOptions out = {.fan = Fan::out, .gain = kTanhGain};
  const KaimingOptions leaky = {.fan = Fan::out, .gain = leaky_relu_gain(0.2)};
  return {"initializer",
          {
              initializer("kaiming_normal",
                          {numbers("fan_in", kaiming_normal(kDense).b, kaiming_normal(kWindow).b),
                           numbers("fan_out_and_gain", kaiming_normal(kDense, out).b,
                                   kaiming_normal(kWindow, out).b)}),
              initializer("kaiming_uniform",
                          {numbers("fan_in", kaiming_uniform(kDense).b, kaiming_uniform(kWindow).b),
                           numbers("fan_out_and_gain", kaiming_uniform(kDense, leaky).b,
                                   kaiming_uniform(kWindow, leaky).b)}),
              initializer("truncated_normal", {{"quantiles",
                                                [](const Tensors& x) {
                                                  auto values = x[0].to_vector<double>();
                                                  for (double& value : values)
                                                    value = normal_quantile(value);
                                                  return Tensors{Tensor::of(x[0].shape(), values)};
                                                }}}),
              initializer("xavier_normal", {numbers("gains", xavier_normal(kDense).b,
                                                    xavier_normal(kWindow, kTanhGain).b)}),
              initializer("xavier_uniform", {numbers("gains", xavier_uniform(kDense).b,
                                                     xavier_uniform(kWindow, kTanhGain).b)}),
          }};
}

}  // namespace ripieno::testing
