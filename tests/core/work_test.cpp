#include "ripieno/core/work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/attention.h"
#include "ripieno/core/ops/layer_norm.h"
#include "ripieno/core/ops/linear.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/ops/softmax.h"

namespace ripieno {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = trace::Event::Kind;

// Collects the events of this thread.
class Events final : public trace::Sink {
 public:
  Events() { trace::install_profile(this); }
  ~Events() override { trace::install_profile(nullptr); }
  void begin(const trace::Event& event) noexcept override {
    ++open;
    all.push_back(event);
  }
  void end(const trace::Event&) noexcept override { --open; }

  trace::Event only(const std::string& name) const {
    std::vector<trace::Event> found;
    for (const auto& event : all)
      if (event.name == name && event.kind == Kind::operation) found.push_back(event);
    EXPECT_EQ(found.size(), 1u) << name;
    return found.empty() ? trace::Event() : found[0];
  }
  std::vector<std::string> names(Kind kind) const {
    std::vector<std::string> names;
    for (const auto& event : all)
      if (event.kind == kind) names.emplace_back(event.name);
    return names;
  }

  std::vector<trace::Event> all;
  int open = 0;
};

Tensor leaf(const Shape& shape) {
  Tensor x = Tensor::full(shape, 0.5);
  x.set_requires_gradient(true);
  return x;
}

TEST(Work, OfALinearLayerIsThatOfItsProduct) {
  const Tensor x = leaf({5, 3}), weight = leaf({7, 3}), bias = leaf({7});
  Events events;
  const Tensor y = linear(x, weight, bias);
  const auto forward = events.only("linear");
  EXPECT_EQ(forward.flops, 2 * 5 * 3 * 7);
  EXPECT_EQ(forward.bytes, 4 * (5 * 7 + 5 * 3 + 7 * 3 + 7));
  sum(y.reshape({35}), 0).backward();
  EXPECT_EQ(events.only("linear: input gradient").flops, 2 * 5 * 3 * 7);
  EXPECT_EQ(events.only("linear: parameter gradients").flops, 2 * 5 * 3 * 7 + 5 * 7);
  EXPECT_EQ(events.open, 0);
}

TEST(Work, OfABatchOfMatricesIsThatOfAllProducts) {
  const Tensor a = Tensor::full({4, 2, 3}, 1), b = Tensor::full({4, 3, 5}, 1);
  Events events;
  matmul(a, b);
  EXPECT_EQ(events.only("matmul").flops, 4 * 2 * (2 * 3 * 5));
  EXPECT_EQ(events.only("matmul").bytes, 4 * (4 * 2 * 3 + 4 * 3 * 5 + 4 * 2 * 5));
}

TEST(Work, OfCausalAttentionIsThatOfThePairsOfPositionsThatItUses) {
  const int64_t batch = 2, time = 7, heads = 3, head_size = 4;
  const Tensor qkv = leaf({batch, time, 3 * heads * head_size});
  Events events;
  const Tensor out = causal_attention(qkv, heads);
  // A pair of positions has a product of head_size for its score, and one for its value.
  int64_t pairs = 0;
  for (int64_t query = 0; query < time; ++query)
    for (int64_t key = 0; key <= query; ++key) ++pairs;
  const int64_t one_product = 2 * batch * heads * pairs * head_size;
  EXPECT_EQ(events.only("attention").flops, 2 * one_product);
  sum(out.reshape({out.elements()}), 0).backward();
  EXPECT_EQ(events.only("attention: gradient").flops, 5 * one_product);
}

TEST(Work, OfElementWiseOperationsIsOneForEachElement) {
  const Tensor a = Tensor::full({3, 31}, 1), b = Tensor::full({3, 31}, 2);
  Events events;
  a + b;
  EXPECT_EQ(events.only("add").flops, 3 * 31);
  EXPECT_EQ(events.only("add").bytes, 3 * 4 * 3 * 31);
  softmax(a);
  EXPECT_EQ(events.only("softmax").flops, 5 * 3 * 31);
  layer_norm(a, Tensor::full({31}, 1), Tensor::full({31}, 0));
  EXPECT_EQ(events.only("layer_norm").flops, 8 * 3 * 31);
  EXPECT_EQ(events.only("layer_norm").bytes, 4 * (2 * 3 * 31 + 2 * 31));
}

TEST(Work, OfALossWithItsHeadHasTheThreeProductsOfItsForward) {
  const Tensor x = leaf({6, 4}), weight = leaf({9, 4});
  const Tensor targets = Tensor::of<int32_t>({6}, {0, 1, 2, 3, 4, 8});
  Events events;
  linear_cross_entropy(x, weight, targets);
  EXPECT_EQ(events.only("linear_cross_entropy").flops, 3 * (2 * 6 * 4 * 9) + 5 * 6 * 9);
}

TEST(Work, CountsAnExpandedTensorAtItsSizeInMemory) {
  const Tensor a = Tensor::full({8, 16}, 1), row = Tensor::full({1, 16}, 1).expand({8, 16});
  Events events;
  a + row;
  EXPECT_EQ(events.only("add").bytes, 4 * (8 * 16 + 16 + 8 * 16));
}

TEST(Work, OfABackwardIsReportedWithinTheOperationThatItIsOf) {
  const Tensor x = leaf({5, 3}), weight = leaf({7, 3});
  const Tensor total = sum(relu(linear(x, weight, Tensor())).reshape({35}), 0);
  Events events;
  total.backward();
  EXPECT_THAT(events.names(Kind::backward), ElementsAre("sum", "reshape", "activation", "linear"));
  EXPECT_EQ(events.open, 0);
}

TEST(Work, IsNotReportedWithoutAProfile) {
  std::vector<trace::Event> seen;
  {
    const Events events;
    seen = events.all;
  }
  Tensor::full({2}, 1) + Tensor::full({2}, 1);
  EXPECT_THAT(seen, IsEmpty());
}

}  // namespace
}  // namespace ripieno
