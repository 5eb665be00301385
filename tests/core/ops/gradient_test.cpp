// Compares the gradient of every operation with central differences in float64.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ripieno/core/autograd.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/attention.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/core/ops/embedding.h"
#include "ripieno/core/ops/gradient_check.h"
#include "ripieno/core/ops/layer_norm.h"
#include "ripieno/core/ops/linear.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/ops/softmax.h"
#include "ripieno/core/random.h"
#include "ripieno/core/recomputation.h"

namespace ripieno {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

using Inputs = std::vector<Tensor>;

constexpr double kTolerance = 1e-7;

Tensor random(const Shape& shape, uint64_t seed = 1, double low = -1.0, double high = 1.0) {
  Tensor x(shape, DType::float64);
  fill_uniform(x, low, high, {.seed = seed});
  return x;
}

TEST(Gradient, OfArithmeticWithBroadcasting) {
  const Inputs inputs = {random({3, 4}, 1), random({4}, 2), random({2, 1, 4}, 3, 0.5, 1.5)};
  const auto function = [](const Inputs& in) {
    return (in[0] + in[1]) * in[2] - in[1] / in[2] + (2.0 - in[0]) * 3.0 + 1.0 / in[2];
  };
  EXPECT_LT(gradient_check(function, inputs), kTolerance);
}

TEST(Gradient, OfElementaryFunctions) {
  const auto function = [](const Inputs& in) {
    return exp(in[0]) + log(in[0]) + sqrt(in[0]) + tanh(in[0]) + sin(in[0]) + cos(in[0]) +
           square(in[0]) + reciprocal(in[0]) - in[0];
  };
  EXPECT_LT(gradient_check(function, {random({7}, 1, 0.5, 2.0)}), kTolerance);
}

TEST(Gradient, OfViews) {
  const auto function = [](const Inputs& in) {
    const Tensor x = in[0].transpose(0, 2).slice(1, 1, 3).reshape({4, -1});
    return x.slice(1, 0, 1).expand({2, 4, 3}) * x.slice(1, 1, 2) +
           in[0].slice(0, 0, 1).reshape({12}).slice(0, 3, 4);
  };
  EXPECT_LT(gradient_check(function, {random({2, 3, 4})}), kTolerance);
}

TEST(Gradient, OfReductions) {
  const auto function = [](const Inputs& in) {
    return sum(in[0], 1) * mean(in[0], -1, true)
                               .reshape({2, 3})
                               .transpose(0, 1)
                               .slice(0, 0, 1)
                               .expand({4, 2})
                               .transpose(0, 1) +
           mean(in[0]) + max(in[0], 1);
  };
  EXPECT_LT(gradient_check(function, {random({2, 3, 4})}), kTolerance);
}

TEST(Gradient, OfMatrixProducts) {
  const auto plain = [](const Inputs& in) { return matmul(in[0], in[1]); };
  EXPECT_LT(gradient_check(plain, {random({3, 5}, 1), random({5, 4}, 2)}), kTolerance);
  EXPECT_LT(gradient_check(plain, {random({2, 3, 5}, 1), random({2, 5, 4}, 2)}), kTolerance);
  EXPECT_LT(gradient_check(plain, {random({2, 3, 5}, 1), random({5, 4}, 2)}), kTolerance);
  const auto transposed = [](const Inputs& in) {
    return matmul(in[0].transpose(-1, -2), in[1].transpose(-1, -2));
  };
  EXPECT_LT(gradient_check(transposed, {random({2, 5, 3}, 1), random({2, 4, 5}, 2)}), kTolerance);
}

TEST(Gradient, OfLinearWithEveryActivation) {
  for (const Activation activation :
       {Activation::kNone, Activation::kRelu, Activation::kGelu, Activation::kGeluTanh}) {
    const auto function = [activation](const Inputs& in) {
      return linear(in[0], in[1], in[2], activation);
    };
    const Inputs inputs = {random({2, 3, 5}, 1), random({4, 5}, 2), random({4}, 3)};
    EXPECT_LT(gradient_check(function, inputs), kTolerance);
  }
}

TEST(Gradient, OfFeedForwardWithEveryActivation) {
  for (const Activation activation :
       {Activation::kNone, Activation::kRelu, Activation::kGelu, Activation::kGeluTanh}) {
    const auto with_biases = [activation](const Inputs& in) {
      return feed_forward(in[0], {in[1], in[2]}, {in[3], in[4]}, activation);
    };
    const Inputs inputs = {random({2, 3, 5}, 1), random({8, 5}, 2), random({8}, 3),
                           random({4, 8}, 4), random({4}, 5)};
    EXPECT_LT(gradient_check(with_biases, inputs), kTolerance);
    const auto without = [activation](const Inputs& in) {
      return feed_forward(in[0], {in[1], {}}, {in[2], {}}, activation);
    };
    EXPECT_LT(gradient_check(without, {inputs[0], inputs[1], inputs[3]}), kTolerance);
  }
}

TEST(Gradient, OfLinearWithWeightsUsedTwice) {
  const auto function = [](const Inputs& in) {
    return linear(linear(in[0], in[1], in[2], Activation::kGeluTanh), in[1].transpose(0, 1), in[2]);
  };
  EXPECT_LT(gradient_check(function, {random({3, 4}, 1), random({4, 4}, 2), random({4}, 3)}),
            kTolerance);
}

TEST(Gradient, OfActivations) {
  const auto function = [](const Inputs& in) {
    return relu(in[0]) + gelu(in[0]) * gelu_tanh(in[0]);
  };
  EXPECT_LT(gradient_check(function, {random({33}, 5, -4.0, 4.0)}), kTolerance);
}

TEST(Gradient, OfSoftmaxAndItsLogarithm) {
  EXPECT_LT(gradient_check([](const Inputs& in) { return softmax(in[0]); }, {random({3, 5})}),
            kTolerance);
  EXPECT_LT(gradient_check([](const Inputs& in) { return log_softmax(in[0]); }, {random({3, 5})}),
            kTolerance);
}

TEST(Gradient, OfLayerNorm) {
  const auto function = [](const Inputs& in) { return layer_norm(in[0], in[1], in[2]); };
  EXPECT_LT(gradient_check(function, {random({2, 35, 7}, 1), random({7}, 2), random({7}, 3)}),
            kTolerance);
  EXPECT_LT(gradient_check([](const Inputs& in) { return layer_norm(in[0]); }, {random({3, 7})}),
            kTolerance);
}

TEST(Gradient, OfEmbeddingWithRepeatedIds) {
  const Tensor ids = Tensor::of<int32_t>({2, 3}, {4, 0, 4, 2, 4, 0});
  const auto function = [&](const Inputs& in) { return embedding(in[0], ids); };
  EXPECT_LT(gradient_check(function, {random({5, 3})}), kTolerance);
}

TEST(Gradient, OfEmbeddingWithPositions) {
  const Tensor ids = Tensor::of<int32_t>({2, 3}, {4, 0, 4, 2, 4, 0});
  const auto function = [&](const Inputs& in) { return embedding(in[0], ids, in[1]); };
  EXPECT_LT(gradient_check(function, {random({5, 3}, 1), random({3, 3}, 2)}), kTolerance);
}

// Checks the gradient through the sum, through the norm, and through both.
TEST(Gradient, OfAResidualConnectionAndItsNorm) {
  const Inputs inputs = {random({2, 5, 6}, 1), random({2, 5, 6}, 2), random({6}, 3),
                         random({6}, 4)};
  for (const double probability : {0.0, 0.4}) {
    for (const int which : {1, 2, 3}) {
      const auto function = [&](const Inputs& in) {
        const Residual residual{in[0], in[1], probability, 99};
        const auto [sum, normalized] = residual_norm(residual, in[2], in[3]);
        return which == 1   ? sum * sum
               : which == 2 ? normalized * in[2]
                            : exp(sum) * normalized + sum;
      };
      const Inputs some = which == 1 ? Inputs{inputs[0], inputs[1]} : inputs;
      const auto of_some = [&](const Inputs& in) {
        return function(
            {in[0], in[1], in.size() > 2 ? in[2] : inputs[2], in.size() > 2 ? in[3] : inputs[3]});
      };
      EXPECT_LT(gradient_check(of_some, some), 1e-6);
    }
  }
}

TEST(Gradient, OfDropout) {
  const auto function = [](const Inputs& in) { return dropout(in[0], 0.4, 99); };
  EXPECT_LT(gradient_check(function, {random({5, 7})}), kTolerance);
}

TEST(Gradient, OfCrossEntropyWithIgnoredTargets) {
  const Tensor targets = Tensor::of<int32_t>({4}, {2, -1, 0, 4});
  const auto function = [&](const Inputs& in) { return cross_entropy(in[0], targets).sum; };
  EXPECT_LT(gradient_check(function, {random({4, 5})}), kTolerance);
}

TEST(Gradient, OfCausalAttention) {
  for (const int64_t time : {1, 5, 70}) {
    const auto function = [](const Inputs& in) { return causal_attention(in[0], 2); };
    EXPECT_LT(gradient_check(function, {random({1, time, 3 * 2 * 3})}), kTolerance) << time;
  }
}

// The largest result of gradient_check over all choices of which inputs require a gradient.
double check_every_subset(const std::function<std::vector<Tensor>(const Inputs&)>& function,
                          const Inputs& inputs) {
  double worst = 0.0;
  for (std::size_t chosen = 1; chosen < std::size_t{1} << inputs.size(); ++chosen) {
    const auto is_chosen = [&](std::size_t i) { return (chosen >> i & 1) != 0; };
    Inputs some;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (is_chosen(i)) some.push_back(inputs[i].clone());
    }
    const auto of_chosen = [&](const Inputs& in) {
      Inputs all;
      for (std::size_t i = 0, next = 0; i < inputs.size(); ++i) {
        all.push_back(is_chosen(i) ? in[next++] : inputs[i]);
      }
      return function(all);
    };
    const double error = gradient_check(of_chosen, some);
    worst = std::isnan(error) || error > worst ? error : worst;
  }
  return worst;
}

TEST(Gradient, OfArithmeticForAnySubsetOfInputs) {
  const Inputs inputs = {random({2, 3}, 1), random({3}, 2, 0.5, 1.5)};
  const auto function = [](const Inputs& in) {
    return Inputs{in[0] + in[1], in[0] - in[1], in[0] * in[1], in[0] / in[1]};
  };
  EXPECT_LT(check_every_subset(function, inputs), kTolerance);
}

TEST(Gradient, OfProductsForAnySubsetOfInputs) {
  const auto product = [](const Inputs& in) { return Inputs{matmul(in[0], in[1])}; };
  EXPECT_LT(check_every_subset(product, {random({2, 3, 2}, 1), random({2, 2, 3}, 2)}), kTolerance);
  const auto layer = [](const Inputs& in) {
    return Inputs{linear(in[0], in[1], in[2], Activation::kGelu)};
  };
  EXPECT_LT(check_every_subset(layer, {random({3, 2}, 1), random({4, 2}, 2), random({4}, 3)}),
            kTolerance);
  const auto layers = [](const Inputs& in) {
    return Inputs{feed_forward(in[0], {in[1], in[2]}, {in[3], in[4]}, Activation::kGelu)};
  };
  EXPECT_LT(check_every_subset(layers, {random({3, 2}, 1), random({4, 2}, 2), random({4}, 3),
                                        random({2, 4}, 4), random({2}, 5)}),
            kTolerance);
}

TEST(Gradient, OfANormForAnySubsetOfInputs) {
  const auto norm = [](const Inputs& in) { return Inputs{layer_norm(in[0], in[1], in[2])}; };
  EXPECT_LT(check_every_subset(norm, {random({35, 3}, 1), random({3}, 2), random({3}, 3)}),
            kTolerance);
  for (const double probability : {0.0, 0.4}) {
    const auto residual = [&](const Inputs& in) {
      const auto [sum, normalized] = residual_norm({in[0], in[1], probability, 99}, in[2], in[3]);
      return Inputs{sum, normalized};
    };
    EXPECT_LT(check_every_subset(
                  residual, {random({3, 4}, 1), random({3, 4}, 2), random({4}, 3), random({4}, 4)}),
              1e-6);
  }
}

TEST(Gradient, OfTheOtherOperationsForAnySubsetOfInputs) {
  const Tensor ids = Tensor::of<int32_t>({2, 3}, {4, 0, 4, 2, 4, 0});
  const auto rows = [&](const Inputs& in) { return Inputs{embedding(in[0], ids, in[1])}; };
  EXPECT_LT(check_every_subset(rows, {random({5, 2}, 1), random({3, 2}, 2)}), kTolerance);
  const Tensor targets = Tensor::of<int32_t>({3}, {2, -1, 0});
  const auto head = [&](const Inputs& in) {
    return Inputs{linear_cross_entropy(in[0], in[1], targets).sum};
  };
  EXPECT_LT(check_every_subset(head, {random({3, 2}, 1), random({4, 2}, 2)}), kTolerance);
  const auto again = [&](const Inputs& in) {
    return Inputs{recomputed([y = in[1]](const Tensor& t) { return t * y * exp(y * 2.0); }, in[0])};
  };
  EXPECT_LT(check_every_subset(again, {random({2}, 1), random({2}, 2)}), kTolerance);
}

TEST(Gradient, OfOneTensorAsSeveralInputs) {
  const auto norm = [](const Inputs& in) {
    const Tensor y = in[1] * 2.0;
    return layer_norm(in[0], in[1], in[1]) * layer_norm(in[0], y, y);
  };
  EXPECT_LT(gradient_check(norm, {random({5, 3}, 1), random({3}, 2)}), kTolerance);
  const auto all = [](const Inputs& in) { return layer_norm(in[0], in[0], in[0]); };
  EXPECT_LT(gradient_check(all, {random({5}, 1)}), kTolerance);
  const auto layer = [](const Inputs& in) { return linear(in[0], in[0], in[1]); };
  EXPECT_LT(gradient_check(layer, {random({3, 3}, 1), random({3}, 2)}), kTolerance);
  const auto layers = [](const Inputs& in) {
    return feed_forward(in[0], {in[1], in[2]}, {in[1], in[2]}, Activation::kGelu);
  };
  EXPECT_LT(gradient_check(layers, {random({2, 3}, 1), random({3, 3}, 2), random({3}, 3)}),
            kTolerance);
  const auto rows = [](const Inputs& in) {
    return embedding(in[0], Tensor::of<int32_t>({2}, {1, 0}), in[0]);
  };
  EXPECT_LT(gradient_check(rows, {random({2, 3}, 1)}), kTolerance);
  const auto sums = [](const Inputs& in) {
    const auto [sum, normalized] = residual_norm({in[0], in[0], 0.4, 99}, in[1], in[1]);
    return Inputs{sum, normalized};
  };
  EXPECT_LT(gradient_check(sums, {random({2, 3}, 1), random({3}, 2)}), 1e-6);
}

TEST(Gradient, OfTheInputOfAModel) {
  nn::Mlp model({4, 5, 3});
  model.to(Device::cpu(), DType::float64);
  const Tensor targets = Tensor::of<int32_t>({2}, {2, 0});
  EXPECT_LT(gradient_check([&](const Inputs& in) { return model.loss(in[0], targets).sum; },
                           {random({2, 4})}),
            kTolerance);
}

TEST(Gradient, CheckNoticesAWrongGradientOfOneOutput) {
  const auto function = [](const Inputs& in) {
    return Inputs{in[0] * in[0], in[0] * in[0].detach()};
  };
  EXPECT_GT(gradient_check(function, {random({3})}), 0.01);
}

TEST(Gradient, CheckNoticesAWrongGradient) {
  const auto function = [](const Inputs& in) { return in[0] * in[0].detach(); };
  EXPECT_GT(gradient_check(function, {random({3})}), 0.01);
}

TEST(Gradient, CheckRejectsAFunctionWithoutOutputs) {
  const auto nothing = [](const Inputs&) { return Inputs(); };
  EXPECT_THAT([&] { gradient_check(nothing, {random({3})}); },
              ThrowsMessage<Error>(HasSubstr("gradient_check: the function returned no outputs")));
  EXPECT_THAT([&] { gradient_check(std::function<Tensor(const Inputs&)>(), {random({3})}); },
              ThrowsMessage<Error>(HasSubstr("gradient_check: the function is empty")));
}

TEST(Gradient, CheckReturnsNanIfAnyGradientIsNan) {
  const auto function = [](const Inputs& in) {
    return autograd::record("first_is_nan", in[0].detach() * 1.0, {&in[0]},
                            [](const Tensor& gradient, autograd::Gradients& gradients) {
                              const Tensor wrong = gradient.clone();
                              wrong.data<double>()[0] = std::numeric_limits<double>::quiet_NaN();
                              gradients.add(0, wrong);
                            });
  };
  EXPECT_TRUE(std::isnan(gradient_check(function, {random({3})})));
}

}  // namespace
}  // namespace ripieno
