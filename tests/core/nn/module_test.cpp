#include "ripieno/core/nn/module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <thread>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/nn/buffer_updates.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/nn/sequential.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/optim/sgd.h"
#include "ripieno/core/random.h"
#include "ripieno/core/recomputation.h"

namespace ripieno::nn {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

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

TEST(Module, InitialValuesAreAFunctionOfSeedAndPath) {
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

TEST(Module, AllocatesAtItsFirstUse) {
  Mlp mlp({4, 2});
  EXPECT_EQ(mlp(Tensor::zeros({1, 4})).shape(), (Shape{1, 2}));
  EXPECT_TRUE(mlp.parameters().values().has_memory());
}

TEST(Module, RejectsABackwardAfterAStepChangedTheParameters) {
  Mlp mlp({4, 3, 2});
  optim::Sgd optimizer(mlp.parameters(), {.learning_rate = 0.1});
  const Tensor x = Tensor::full({2, 4}, 0.5), targets = Tensor::zeros({2}, DType::int32);
  for (int step = 0; step < 2; ++step) {
    mlp.loss(x, targets).sum.backward();
    optimizer.step();
  }
  const Tensor before = mlp.loss(x, targets).sum;
  mlp.loss(x, targets).sum.backward();
  optimizer.step();
  EXPECT_THAT(
      [&] { before.backward(); },
      ThrowsMessage<Error>(HasSubstr("linear: a tensor saved for the backward, (2, 3) float32")));
}

TEST(Module, MayMoveBetweenForwardAndBackward) {
  Mlp mlp({4, 3, 2});
  const Tensor x = Tensor::full({2, 4}, 0.5), targets = Tensor::zeros({2}, DType::int32);
  mlp.loss(x, targets).sum.backward();
  const std::vector<float> expected = mlp.parameters().gradients().flat().to_vector<float>();
  mlp.parameters().clear_gradients();
  const Tensor loss = mlp.loss(x, targets).sum;
  mlp.parameters().place_in(&system_memory(Device::cpu()));
  loss.backward();
  EXPECT_EQ(mlp.parameters().gradients().flat().to_vector<float>(), expected);
}

TEST(Module, FirstUseIsThreadSafe) {
  const Tensor x = Tensor::full({2, 64}, 0.5);
  Mlp known({64, 64, 8});
  const std::vector<float> expected = known(x).to_vector<float>();
  for (int round = 0; round < 50; ++round) {
    const Mlp mlp({64, 64, 8});
    std::barrier start(4);
    std::vector<std::vector<float>> outputs(4);
    const auto use = [&](std::size_t thread) {
      start.arrive_and_wait();
      outputs[thread] = mlp(x).to_vector<float>();
    };
    { std::jthread a(use, 0), b(use, 1), c(use, 2), d(use, 3); }
    ASSERT_THAT(outputs, Each(expected));
  }
}

TEST(Module, ConvertsItsParameters) {
  Mlp mlp({4, 2});
  mlp.to(Device::cpu(), DType::bfloat16);
  EXPECT_EQ(mlp(Tensor::zeros({1, 4}, DType::bfloat16)).dtype(), DType::bfloat16);
}

TEST(Module, IsBuiltOnce) {
  struct Whole : Module {
    Linear child{2, 2}, late{2, 2};
    Whole() { add("child", child); }
    void add_late() { add("late", late); }
  } whole;
  EXPECT_THROW(whole.child.parameters(), Error);
  whole.parameters();
  EXPECT_THROW(whole.add_late(), Error);
}

TEST(Module, DropoutIsActiveOnlyInTrainingMode) {
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

TEST(Module, MayBeDestroyedBeforeTheBackwardOfItsLoss) {
  const Tensor x = Tensor::full({2, 4}, 1.0).set_requires_gradient();
  Tensor weight, loss;
  {
    Mlp mlp({4, 3, 2});
    weight = mlp.parameters()["layers.1.weight"];
    loss = sum(square(mlp(x)));
  }
  loss.backward();
  EXPECT_EQ(weight.gradient().shape(), (Shape{2, 3}));
  EXPECT_EQ(x.gradient().shape(), (Shape{2, 4}));
}

TEST(Module, ItsUnusedParametersThrowAfterIt) {
  const Tensor weight = Linear(3, 2).weight();
  EXPECT_THAT([&] { (void)weight.to_vector<float>(); },
              ThrowsMessage<Error>(HasSubstr("was destroyed before its memory was allocated")));
}

TEST(Module, NamesItsParametersInALoop) {
  Mlp mlp({4, 3, 2});
  std::vector<std::string> names;
  for (auto& [name, parameter] : mlp.parameters()) {
    names.push_back(name);
    parameter.set_requires_gradient(false);
  }
  EXPECT_EQ(names.front(), "layers.0.weight");
  EXPECT_EQ(names.size(), 4u);
  EXPECT_FALSE(mlp.parameters()["layers.1.bias"].requires_gradient());
}

TEST(Module, FreezesByPattern) {
  Mlp mlp({4, 3, 2});
  EXPECT_EQ(mlp.freeze("layers.*.bias"), 2);
  const Parameters parameters = mlp.parameters();
  EXPECT_TRUE(parameters["layers.0.weight"].requires_gradient());
  EXPECT_FALSE(parameters["layers.0.bias"].requires_gradient());
  EXPECT_EQ(mlp.thaw("layers.1.*"), 2);
  EXPECT_TRUE(parameters["layers.1.bias"].requires_gradient());
  EXPECT_THROW(mlp.freeze("encoder.*"), Error);
}

TEST(Module, CountsEachFreezeAndUnfreeze) {
  Mlp mlp({4, 2});
  const Parameters parameters = mlp.parameters();
  const uint64_t version = parameters.trainable_version();
  EXPECT_EQ(parameters.trainable_version(), version);
  mlp.freeze();
  EXPECT_EQ(parameters.trainable_version(), version + 1);
  mlp.freeze();
  EXPECT_EQ(parameters.trainable_version(), version + 1) << "they were frozen already";
  mlp.thaw("*.bias");
  EXPECT_EQ(parameters.trainable_version(), version + 2);
}

TEST(Module, CallsItsHooksAfterItsForward) {
  Sequential model{Linear(3, 4), Linear(4, 2)};
  std::vector<Shape> seen;
  model[0].on_forward([&](const Tensor& x, const Tensor& y) {
    seen.push_back(x.shape());
    seen.push_back(y.shape());
  });
  model(Tensor::zeros({5, 3}));
  EXPECT_THAT(seen, ElementsAre(Shape{5, 3}, Shape{5, 4}));
}

TEST(Module, RejectsAnEmptyHook) {
  Linear layer(3, 4);
  EXPECT_THAT([&] { layer.on_forward({}); },
              ThrowsMessage<Error>(HasSubstr("on_forward: the hook is an empty function")));
  EXPECT_NO_THROW(layer(Tensor::zeros({5, 3})));
}

TEST(Module, WithoutAForwardThrows) {
  struct Nothing : Module {
  } nothing;
  EXPECT_THROW(nothing(Tensor::zeros({1})), Error);
}

TEST(Sequential, AppliesItsModulesInOrder) {
  random_context().seed = 3;
  Sequential model{Linear(3, 4, {.activation = Activation::kRelu}), Linear(4, 2)};
  EXPECT_THAT(names_of(model.parameters()),
              ElementsAre("0.weight", "0.bias", "1.weight", "1.bias"));
  EXPECT_EQ(model(Tensor::zeros({5, 3})).shape(), (Shape{5, 2}));
  random_context().seed = 0;
}

TEST(Module, MayBeMovedUntilItIsUsed) {
  struct Whole : Module {
    std::vector<Linear> layers;
    Sequential head{Linear(2, 2)};
    Whole() {
      for (int i = 0; i < 5; ++i) layers.emplace_back(3, 3);
      for (std::size_t i = 0; i < layers.size(); ++i) add(std::to_string(i), layers[i]);
      add("head", head);
    }
  };
  std::vector<Whole> models;
  for (int i = 0; i < 3; ++i) models.emplace_back();
  for (Whole& model : models) {
    EXPECT_EQ(model.parameters().size(), 12u);
    EXPECT_EQ(model.layers[4](Tensor::zeros({1, 3})).elements(), 3);
    EXPECT_EQ(model.head(Tensor::zeros({1, 2})).elements(), 2);
    model.evaluate();
    EXPECT_FALSE(model.layers[0].is_training());
    EXPECT_FALSE(model.head[0].is_training());
  }
}

TEST(Module, MovedSubmodulesKeepTheirParent) {
  struct Whole : Module {
    Linear child{3, 2};
    Whole() { add("child", child); }
  };
  Whole first;
  const Whole second(std::move(first));
  EXPECT_EQ(second.child(Tensor::zeros({1, 3})).elements(), 2) << "allocated by the new parent";
}

// y = (x - mean) * weight; each forward moves the running mean halfway to the mean of its input.
struct Centred : Module {
  Tensor mean = add_buffer("mean", {2});
  Tensor weight = add_parameter("weight", {2}, Initial::constant(1.0));
  Tensor forward(const Tensor& x) const override {
    const Tensor centred = (x - mean.clone()) * weight;
    update_buffer(mean, ripieno::mean(x, 0), 0.5);
    return centred;
  }
};

Tensor rows_of(double value) { return Tensor::full({3, 2}, value); }

TEST(Buffers, BelongToTheModelThatWasMovedTo) {
  Centred first;
  Arena& buffers = first.buffers();
  Centred second(std::move(first));
  EXPECT_EQ(&second.buffers(), &buffers);
  EXPECT_THAT([&] { first.buffers(); },
              ThrowsMessage<Error>(HasSubstr("was moved from and has no buffers")));
}

TEST(Buffers, AreNamedAndKeepFloat32) {
  struct Whole : Module {
    Centred norm;
    Whole() { add("norm", norm); }
  } whole;
  whole.to(Device::cpu(), DType::bfloat16);
  EXPECT_EQ(whole.buffers().layout().entries().front().name, "norm.mean");
  EXPECT_EQ(whole.norm.mean.dtype(), DType::float32);
  EXPECT_EQ(whole.parameters().size(), 1u);
  EXPECT_FALSE(whole.norm.mean.requires_gradient());
}

TEST(Buffers, AreUpdatedOnlyInTrainingMode) {
  Centred norm;
  norm(rows_of(4.0));
  EXPECT_THAT(norm.mean.to_vector<float>(), ElementsAre(2.0f, 2.0f));
  norm(rows_of(4.0));
  EXPECT_THAT(norm.mean.to_vector<float>(), ElementsAre(3.0f, 3.0f));
  norm.evaluate();
  EXPECT_EQ(norm(rows_of(4.0)).to_vector<float>()[0], 1.0f);
  EXPECT_THAT(norm.mean.to_vector<float>(), ElementsAre(3.0f, 3.0f));
}

TEST(Buffers, AreUpdatedOnceWhenAForwardIsRecomputed) {
  Centred norm;
  sum(recomputed([&](const Tensor& x) { return norm(x); }, rows_of(4.0))).backward();
  EXPECT_THAT(norm.mean.to_vector<float>(), ElementsAre(2.0f, 2.0f));
}

// y = x * table, a buffer that is read next to others that are updated.
struct Scaled : Module {
  Tensor table = add_buffer("table", {2}, Initial::constant(2.0));
  Tensor forward(const Tensor& x) const override { return x * table.clone(); }
};

TEST(Buffers, MayBeUpdatedAfterARecomputedForwardReadOtherBuffers) {
  struct Whole : Module {
    Scaled scaled;
    Centred norm;
    Whole() { add("scaled", scaled), add("norm", norm); }
  } whole;
  Tensor x = rows_of(4.0);
  x.set_requires_gradient();
  const Tensor scaled = recomputed([&](const Tensor& t) { return whole.scaled(t); }, x);
  sum(recomputed([&](const Tensor& t) { return whole.norm(t); }, scaled)).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), Each(2.0f));
}

// As in strict mode: slots on several threads, of which the last is computed first.
TEST(Buffers, AreUpdatedInSlotOrderWhateverTheOrderOfThreads) {
  Centred norm;
  norm.to(Device::cpu());
  BufferUpdates updates(3);
  for (const int slot : {2, 0, 1}) {
    std::thread([&, slot] {
      const BufferUpdates::Slot use(updates, slot);
      norm(rows_of(8.0 * (slot + 1)));
    }).join();
  }
  EXPECT_THAT(norm.mean.to_vector<float>(), ElementsAre(0.0f, 0.0f)) << "not applied yet";
  updates.apply();
  const float expected = ((8.0f * 0.5f + 16.0f) * 0.5f + 24.0f) * 0.5f;
  EXPECT_THAT(norm.mean.to_vector<float>(), ElementsAre(expected, expected));
  updates.apply();
  EXPECT_EQ(norm.mean.to_vector<float>()[0], expected) << "applied once";
}

TEST(Gpt, AttendsOnlyToThePast) {
  Gpt gpt(kSmall);
  const Tensor a = gpt(Tensor::of<int32_t>({1, 4}, {1, 2, 3, 4}));
  const Tensor b = gpt(Tensor::of<int32_t>({1, 4}, {1, 2, 3, 9}));
  EXPECT_EQ(a.slice(1, 0, 3).to_vector<float>(), b.slice(1, 0, 3).to_vector<float>());
  EXPECT_NE(a.slice(1, 3, 4).to_vector<float>(), b.slice(1, 3, 4).to_vector<float>());
}

TEST(Gpt, StartsWithTheLossOfUniformGuesses) {
  Gpt gpt(kSmall);
  const Tensor ids = Tensor::of<int32_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_NEAR(gpt.loss(ids, ids).mean(), std::log(17.0), 0.2);
}

TEST(Gpt, RejectsIncompatibleSizes) {
  EXPECT_THROW(Gpt({.heads = 5}), ConfigurationError);
  Gpt gpt(kSmall);
  EXPECT_THROW(gpt(Tensor::zeros({1, 7}, DType::int32)), Error);
}

}  // namespace
}  // namespace ripieno::nn
