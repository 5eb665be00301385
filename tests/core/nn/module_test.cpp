#include "ripieno/core/nn/module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ripieno/core/models/gpt.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/random.h"

namespace ripieno::nn {
namespace {

using ::testing::ElementsAre;

const GptOptions kSmall = {.vocab = 17, .layers = 2, .heads = 2, .channels = 8, .context = 6};

std::vector<std::string> names_of(const Parameters& parameters) {
  std::vector<std::string> names;
  for (const auto& entry : parameters.layout().entries()) names.push_back(entry.name);
  return names;
}

TEST(Module, NamesParametersByPathInTheOrderOfAdding) {
  Mlp mlp({4, 3, 2});
  EXPECT_THAT(names_of(mlp.parameters()),
              ElementsAre("layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"));
}

TEST(Module, MakesABlockAUnit) {
  Gpt gpt(kSmall);
  std::vector<std::string> units;
  for (const auto& unit : gpt.parameters().layout().units()) units.push_back(unit.name);
  EXPECT_THAT(units, ElementsAre("tokens", "positions", "blocks.0", "blocks.1", "norm"));
}

TEST(Module, CountsGpt2sParameters) {
  Gpt gpt({.vocab = 50257});
  EXPECT_EQ(gpt.parameters().elements(), 124'439'808);
  EXPECT_FALSE(gpt.parameters().values().has_memory());
}

TEST(Module, BeginsAsAFunctionOfSeedAndPath) {
  random_context().seed = 5;
  Mlp a({4, 3, 2}), b({4, 3, 2});
  const std::vector<float> first = a.parameters()["layers.1.weight"].to_vector<float>();
  EXPECT_EQ(b.parameters()["layers.1.weight"].to_vector<float>(), first);
  EXPECT_NE(a.parameters()["layers.0.bias"].to_vector<float>()[0], first[0]);
  random_context().seed = 6;
  Mlp c({4, 3, 2});
  EXPECT_NE(c.parameters()["layers.1.weight"].to_vector<float>(), first);
  random_context().seed = 0;
}

TEST(Module, TakesMemoryAtItsFirstUse) {
  Mlp mlp({4, 2});
  EXPECT_EQ(mlp(Tensor::zeros({1, 4})).shape(), (Shape{1, 2}));
  EXPECT_TRUE(mlp.parameters().values().has_memory());
}

TEST(Module, ConvertsItsParameters) {
  Mlp mlp({4, 2});
  mlp.to(Device::cpu(), DType::bfloat16);
  EXPECT_EQ(mlp(Tensor::zeros({1, 4}, DType::bfloat16)).dtype(), DType::bfloat16);
}

TEST(Module, IsBuiltOnce) {
  struct Whole : Module {
    Linear part{2, 2}, late{2, 2};
    Whole() { add("part", part); }
    void add_late() { add("late", late); }
  } whole;
  EXPECT_THROW(whole.part.parameters(), Error);
  whole.parameters();
  EXPECT_THROW(whole.add_late(), Error);
}

TEST(Module, DropsOnlyWhileTraining) {
  struct Whole : Module {
    Dropout dropout{0.5};
    Whole() { add("dropout", dropout); }
  } whole;
  const Tensor x = Tensor::full({64}, 1.0);
  whole.evaluate();
  EXPECT_EQ(whole.dropout(x).to_vector<float>(), x.to_vector<float>());
  whole.train();
  EXPECT_NE(whole.dropout(x).to_vector<float>(), x.to_vector<float>());
}

TEST(Gpt, LooksOnlyAtThePast) {
  Gpt gpt(kSmall);
  const Tensor a = gpt(Tensor::of<int32_t>({1, 4}, {1, 2, 3, 4}));
  const Tensor b = gpt(Tensor::of<int32_t>({1, 4}, {1, 2, 3, 9}));
  EXPECT_EQ(a.slice(1, 0, 3).to_vector<float>(), b.slice(1, 0, 3).to_vector<float>());
  EXPECT_NE(a.slice(1, 3, 4).to_vector<float>(), b.slice(1, 3, 4).to_vector<float>());
}

TEST(Gpt, BeginsByGuessing) {
  Gpt gpt(kSmall);
  const Tensor ids = Tensor::of<int32_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_NEAR(gpt.loss(ids, ids).mean(), std::log(17.0), 0.2);
}

TEST(Gpt, RefusesSizesThatDoNotFit) {
  EXPECT_THROW(Gpt({.heads = 5}), ConfigurationError);
  Gpt gpt(kSmall);
  EXPECT_THROW(gpt(Tensor::zeros({1, 7}, DType::int32)), Error);
}

}  // namespace
}  // namespace ripieno::nn
