#include "ripieno/core/nn/lora.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/random.h"

namespace ripieno {
namespace {

Tensor random_input(const Shape& shape, uint64_t seed) {
  const Tensor x(shape, DType::float64);
  fill_uniform(x, -1, 1, {seed, 0, 0});
  return x;
}

std::unique_ptr<nn::LoraLinear> trained_layer() {
  auto layer = std::make_unique<nn::LoraLinear>(5, 3, nn::LoraOptions{.rank = 2, .alpha = 4.0});
  layer->to(Device::cpu(), DType::float64);
  const NoGrad no_grad;
  layer->parameters()["up"].copy_from(random_input({3, 2}, 7));
  return layer;
}

void expect_near(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], 1e-12) << i;
}

TEST(LoraLinear, ComputesWhatItsBaseDoesAtFirst) {
  nn::LoraLinear layer(5, 3);
  const Tensor x = random_input({4, 5}, 1).to(DType::float32);
  EXPECT_EQ(layer(x).to_vector<float>(), layer.base()(x).to_vector<float>());
}

TEST(LoraLinear, AddsTheProductOfItsFactors) {
  const auto layer = trained_layer();
  const Tensor x = random_input({4, 5}, 1);
  const auto parameters = layer->parameters();
  const Tensor weight =
      parameters["base.weight"] + matmul(parameters["up"], parameters["down"]) * 2.0;
  expect_near((*layer)(x), linear(x, weight, parameters["base.bias"]));
}

TEST(LoraLinear, TrainsOnlyItsFactors) {
  const auto layer = trained_layer();
  sum(square((*layer)(random_input({4, 5}, 1)))).backward();
  for (const auto& [name, parameter] : layer->parameters()) {
    const bool is_factor = name == "up" || name == "down";
    EXPECT_EQ(parameter.requires_gradient(), is_factor) << name;
  }
}

TEST(LoraLinear, ComputesTheSameAfterMerging) {
  const auto layer = trained_layer();
  const Tensor x = random_input({4, 5}, 1), before = (*layer)(x).detach();
  layer->merge();
  expect_near((*layer)(x), before);
  expect_near(layer->base()(x), before);
}

TEST(LoraLinear, RefusesARankBelowOneAndAnActivation) {
  EXPECT_THROW(nn::LoraLinear(5, 3, {.rank = 0}), Error);
  EXPECT_THROW(nn::LoraLinear(5, 3, {}, {.activation = Activation::kRelu}), Error);
}

}  // namespace
}  // namespace ripieno
