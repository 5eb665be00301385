#include "ripieno/core/arena/separate_gradients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "ripieno/core/models/mlp.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"

namespace ripieno {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct Model final : nn::Module {
  nn::Linear used{3, 2}, unused{2, 2};
  Model() {
    add("used", used);
    add("unused", unused);
  }
  Tensor loss(double scale) const { return sum(square(used(Tensor::full({4, 3}, scale)))); }
};

// An arena for the gradients of a model, and what backward leaves there.
struct Place {
  Arena arena;
  SeparateGradients gradients;
  explicit Place(const Parameters& parameters)
      : arena(parameters.shared_layout(), DType::float32, Device::cpu()),
        gradients(parameters, arena) {}

  std::vector<float> after(const Tensor& loss) {
    {
      const SeparateGradients::Use use(gradients);
      loss.backward();
    }
    gradients.complete();
    return gradients.flat().to_vector<float>();
  }
};

std::vector<float> own_gradients(Model& model, double scale) {
  const Parameters parameters = model.parameters();
  parameters.clear_gradients();
  model.loss(scale).backward();
  parameters.complete_gradients();
  return parameters.gradients().flat().to_vector<float>();
}

TEST(SeparateGradients, AreThoseOfAPlainBackward) {
  Model model;
  const auto expected = own_gradients(model, 2.0);
  Place place(model.parameters());
  EXPECT_EQ(place.after(model.loss(2.0)), expected);
}

TEST(SeparateGradients, LeaveTheParametersOwnAsTheyAre) {
  Model model;
  const auto own = own_gradients(model, 1.0);
  Place place(model.parameters());
  place.after(model.loss(2.0));
  EXPECT_EQ(model.parameters().gradients().flat().to_vector<float>(), own);
}

TEST(SeparateGradients, BeginFromNothingEachTime) {
  Model model;
  Place place(model.parameters());
  const auto first = place.after(model.loss(2.0));
  for (Tensor gradient : place.arena.tensors()) gradient.fill(7.0);
  EXPECT_EQ(place.after(model.loss(2.0)), first);
}

TEST(SeparateGradients, ThreadsGoBackwardsThroughOneModelAtOnce) {
  Model model;
  std::vector<std::vector<float>> expected, found(4);
  for (int i = 0; i < 4; ++i) expected.push_back(own_gradients(model, i + 1.0));
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back([&, i] {
      Place place(model.parameters());
      for (int round = 0; round < 200; ++round) {
        found[i] = place.after(model.loss(static_cast<double>(i) + 1.0));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(found, expected);
}

TEST(SeparateGradients, OfATensorThatIsNoParameterAreRefused) {
  Model model;
  Tensor stranger = Tensor::full({}, 3.0);
  stranger.set_requires_gradient();
  Place place(model.parameters());
  EXPECT_THAT([&] { place.after(model.loss(1.0) * stranger); },
              ThrowsMessage<Error>(HasSubstr("not a parameter of the model")));
}

TEST(SeparateGradients, HooksOfTheParametersAreNotCalled) {
  Model model;
  int calls = 0;
  model.parameters()["used.weight"].on_gradient([&] { ++calls; });
  Place place(model.parameters());
  place.after(model.loss(1.0));
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace ripieno
