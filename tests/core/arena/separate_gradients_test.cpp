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

// A second set of gradients for a model.
struct SecondSet {
  Arena arena;
  SeparateGradients gradients;
  explicit SecondSet(const Parameters& parameters)
      : arena(parameters.shared_layout(), DType::float32, Device::cpu()),
        gradients(parameters, arena) {}

  std::vector<float> after_backward(const Tensor& loss) {
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

TEST(SeparateGradients, EqualThoseOfAPlainBackward) {
  Model model;
  const auto expected = own_gradients(model, 2.0);
  SecondSet second(model.parameters());
  EXPECT_EQ(second.after_backward(model.loss(2.0)), expected);
}

TEST(SeparateGradients, DoNotChangeTheParametersOwnGradients) {
  Model model;
  const auto own = own_gradients(model, 1.0);
  SecondSet second(model.parameters());
  second.after_backward(model.loss(2.0));
  EXPECT_EQ(model.parameters().gradients().flat().to_vector<float>(), own);
}

TEST(SeparateGradients, StartEmptyInEachUse) {
  Model model;
  SecondSet second(model.parameters());
  const auto first = second.after_backward(model.loss(2.0));
  for (Tensor gradient : second.arena.tensors()) gradient.fill(7.0);
  EXPECT_EQ(second.after_backward(model.loss(2.0)), first);
}

TEST(SeparateGradients, SeveralThreadsRunBackwardsThroughOneModelAtOnce) {
  Model model;
  std::vector<std::vector<float>> expected, found(4);
  for (int i = 0; i < 4; ++i) expected.push_back(own_gradients(model, i + 1.0));
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back([&, i] {
      SecondSet second(model.parameters());
      for (int round = 0; round < 200; ++round) {
        found[i] = second.after_backward(model.loss(static_cast<double>(i) + 1.0));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(found, expected);
}

TEST(SeparateGradients, RejectALeafThatIsNotAParameter) {
  Model model;
  Tensor other = Tensor::full({}, 3.0);
  other.set_requires_gradient();
  SecondSet second(model.parameters());
  EXPECT_THAT([&] { second.after_backward(model.loss(1.0) * other); },
              ThrowsMessage<Error>(HasSubstr("not a parameter of the model")));
}

TEST(SeparateGradients, HooksOfTheParametersAreNotCalled) {
  Model model;
  int calls = 0;
  model.parameters()["used.weight"].on_gradient([&] { ++calls; });
  SecondSet second(model.parameters());
  second.after_backward(model.loss(1.0));
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace ripieno
