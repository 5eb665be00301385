#include "ripieno/core/autograd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::StrEq;
using ::testing::ThrowsMessage;

Tensor leaf(const std::vector<float>& values) {
  Tensor x = Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
  x.set_requires_gradient();
  return x;
}

TEST(Autograd, SumsOverAllPathsToALeaf) {
  Tensor x = leaf({3, 5});
  const Tensor y = x * x;
  sum(y + y * x).backward();  // x^2 + x^3
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(2 * 3 + 3 * 9, 2 * 5 + 3 * 25));
}

TEST(Autograd, DoesNotChangeAGradientThatTwoBranchesShare) {
  Tensor x = leaf({1, 2}), y = leaf({3, 4});
  const Tensor s = x + y;             // passes its gradient to both
  sum(s * 2.0 + x * 3.0).backward();  // and x has one more use
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(5, 5));
  EXPECT_THAT(y.gradient().to_vector<float>(), ElementsAre(2, 2));
}

TEST(Autograd, AccumulatesOverBackwardsUntilCleared) {
  Tensor x = leaf({1, 2});
  sum(x * 2.0).backward();
  sum(x * 3.0).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(5, 5));
  x.clear_gradient();
  EXPECT_FALSE(x.gradient().defined());
  sum(x * 4.0).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(4, 4));
}

TEST(Autograd, RecordsNothingUnderNoGrad) {
  Tensor x = leaf({1, 2});
  const NoGrad no_grad;
  EXPECT_FALSE((x * 2.0).requires_gradient());
}

TEST(Autograd, DetachStopsTheGradient) {
  Tensor x = leaf({1, 2});
  sum(x * x.detach()).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(1, 2));
}

TEST(Autograd, HookRunsOnceWithTheCompleteGradient) {
  Tensor x = leaf({1, 2});
  std::vector<std::vector<float>> seen;
  x.on_gradient([&] { seen.push_back(x.gradient().to_vector<float>()); });
  sum(x * x + x * 3.0 + x).backward();
  EXPECT_THAT(seen, ElementsAre(ElementsAre(6, 8)));
}

TEST(Autograd, RejectsAnEmptyHook) {
  Tensor x = leaf({1, 2});
  EXPECT_THAT([&] { x.on_gradient({}); },
              ThrowsMessage<Error>(HasSubstr("on_gradient: the hook is an empty function")));
  sum(x * x).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(2, 4));
}

TEST(Autograd, HooksRunBeforeTheBackwardEnds) {
  Tensor first = leaf({1}), last = leaf({2});
  std::vector<int> order;
  first.on_gradient([&] { order.push_back(1); });
  last.on_gradient([&] { order.push_back(2); });
  sum((first * 2.0) * last).backward();
  EXPECT_THAT(order, ElementsAre(2, 1));
}

TEST(Autograd, RejectsASecondBackwardThroughTheSameGraph) {
  Tensor x = leaf({1, 2});
  const Tensor y = sum(x * x);
  y.backward();
  EXPECT_THROW(y.backward(), Error);
}

TEST(Autograd, SeedsANonScalar) {
  Tensor x = leaf({1, 2});
  (x * x).backward(Tensor::of<float>({2}, {10, 100}));
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(20, 400));
  EXPECT_THROW((x * x).backward(), Error);
}

TEST(Autograd, FreesTheGraphDuringTheBackward) {
  const int64_t before = pool(Device::cpu()).statistics().bytes_in_use;
  {
    Tensor x = leaf({1, 2});
    Tensor y = x;
    for (int i = 0; i < 100; ++i) y = y * x;
    sum(y).backward();
  }
  EXPECT_EQ(pool(Device::cpu()).statistics().bytes_in_use, before);
}

TEST(Autograd, ThreadsRecordIndependently) {
  const auto train = [] {
    Tensor x = leaf({1, 2, 3});
    for (int i = 0; i < 200; ++i) {
      x.clear_gradient();
      sum(x * x * x).backward();
    }
    EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(3, 12, 27));
  };
  std::jthread a(train), b(train), c(train);
}

TEST(Autograd, ADeepGraphWithoutABackwardIsFreed) {
  Tensor x = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 2000; ++i) y = y + 1.0;
  EXPECT_EQ(y.item(), 2001.0);
}

TEST(Autograd, ALongGraphIsFreedWithoutOverflowingTheStack) {
  constexpr int kLength = 30'000;
  Tensor x = leaf({1});
  Tensor plain = x, kept = x, held = x;
  for (int i = 0; i < kLength; ++i) {
    plain = plain + 1.0;
    kept = kept * x;
    held = autograd::record(
        "holds its input", held.detach(), {&held},
        [held](const Tensor& gradient, Gradients& gradients) { gradients.add(0, gradient); });
  }
  plain = kept = held = {};
  EXPECT_EQ(x.item(), 1.0);
}

TEST(Autograd, BackwardMayRunInAnotherThreadThanTheForward) {
  Tensor w = leaf({1, 1});
  Tensor y;
  std::jthread([&] {
    y = w;
    for (int i = 0; i < 10; ++i) y = y + 1.0;
    y = y * 2.0;
  }).join();
  std::jthread([&] { sum(y * 3.0 + y * 4.0).backward(); }).join();
  EXPECT_THAT(w.gradient().to_vector<float>(), ElementsAre(14, 14));
}

// The sum of all inputs, of the first three, and of the last four.
std::vector<Tensor> three_sums(const std::vector<Tensor>& in) {
  Tensor first = in[0].detach() + in[1].detach() + in[2].detach();
  Tensor last = in[3].detach() + in[4].detach() + in[5].detach() + in[6].detach();
  const std::vector<Tensor> outputs = {first + last, first, last};
  autograd::record("three_sums", outputs, in, [](std::span<Tensor> gradient, Gradients& gradients) {
    for (int i = 0; i < 7; ++i) {
      const Tensor& part = gradient[i < 3 ? 1 : 2];
      if (gradient[0].defined()) gradients.add(i, gradient[0]);
      if (part.defined()) gradients.add(i, part);
    }
  });
  return outputs;
}

std::vector<Tensor> seven_leaves() {
  std::vector<Tensor> inputs;
  for (int i = 0; i < 7; ++i) inputs.push_back(leaf({1, 2}));
  return inputs;
}

TEST(Autograd, AnOperationHasAnyNumberOfInputsAndOutputs) {
  const std::vector<Tensor> inputs = seven_leaves();
  const std::vector<Tensor> outputs = three_sums(inputs);
  sum(outputs[0] + outputs[1] * 2.0 + outputs[2] * outputs[2]).backward();
  EXPECT_THAT(inputs[0].gradient().to_vector<float>(), ElementsAre(3, 3));
  EXPECT_THAT(inputs[6].gradient().to_vector<float>(), ElementsAre(9, 17));
}

TEST(Autograd, UnusedOutputsHaveNoGradient) {
  const std::vector<Tensor> inputs = seven_leaves();
  const std::vector<Tensor> outputs = three_sums(inputs);
  sum(outputs[1]).backward();
  EXPECT_THAT(inputs[2].gradient().to_vector<float>(), ElementsAre(1, 1));
  EXPECT_FALSE(inputs[3].gradient().defined());
  EXPECT_THAT([&] { outputs[2].backward(Tensor::zeros({2})); },
              ThrowsMessage<Error>(HasSubstr("'three_sums' was used by an earlier")));
}

TEST(Autograd, BackwardMayStartAtAnyOutput) {
  const std::vector<Tensor> inputs = seven_leaves();
  three_sums(inputs)[2].backward(Tensor::of<float>({2}, {5, 7}));
  EXPECT_FALSE(inputs[0].gradient().defined());
  EXPECT_THAT(inputs[5].gradient().to_vector<float>(), ElementsAre(5, 7));
}

TEST(Autograd, IntegerOutputsAreNotRecorded) {
  Tensor x = leaf({1, 2});
  const std::vector<Tensor> outputs = {x.detach() * 2.0, Tensor::zeros({2}, DType::int32)};
  autograd::record("with_indices", outputs, std::vector<Tensor>{x},
                   [](std::span<Tensor> gradient, Gradients& gradients) {
                     gradients.add(0, gradient[0] * 2.0);
                   });
  EXPECT_FALSE(outputs[1].requires_gradient());
  sum(outputs[0]).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(2, 2));
}

TEST(Autograd, RejectsRecordingAnOutputTwice) {
  Tensor x = leaf({1, 2});
  const auto pass = [](const Tensor& gradient, Gradients& gradients) {
    gradients.add(0, gradient);
  };
  EXPECT_THAT([&] { autograd::record("pass", x, {&x}, pass); },
              ThrowsMessage<Error>(HasSubstr("pass: cannot record output (2) float32 on cpu")));
  EXPECT_THAT([&] { autograd::record("pass", Tensor(), {&x}, pass); },
              ThrowsMessage<Error>(HasSubstr("pass: cannot record an undefined output")));
}

// The message of an Error that `backward` throws, as the backward of an operation on x, which
// requires a gradient, and y, which does not.
std::string message_of(const std::function<void(const Tensor&, Gradients&)>& backward) {
  Tensor x = leaf({1, 2}), y = Tensor::zeros({2});
  try {
    sum(autograd::record("mine", Tensor::zeros({2}), {&x, &y}, backward)).backward();
  } catch (const Error& error) {
    EXPECT_FALSE(x.gradient().defined());
    return error.what();
  }
  return "no error";
}

TEST(Autograd, NamesTheOperationWhoseBackwardReturnsAWrongGradient) {
  EXPECT_EQ(
      message_of([](const Tensor&, Gradients& gradients) { gradients.add(0, Tensor::zeros({3})); }),
      "mine: the gradient of input 0 is (3) float32 on cpu, the input is (2) float32 on cpu; they "
      "must match");
  EXPECT_THAT(message_of([](const Tensor& gradient, Gradients& gradients) {
                gradients.add(0, gradient.to(DType::float64));
              }),
              HasSubstr("the gradient of input 0 is (2) float64 on cpu"));
  EXPECT_THAT(message_of([](const Tensor&, Gradients& gradients) { gradients.add(0, {}); }),
              HasSubstr("mine: the gradient of input 0 is undefined"));
  EXPECT_THAT(
      message_of([](const Tensor& gradient, Gradients& gradients) { gradients.add(1, gradient); }),
      HasSubstr("mine: the backward computes a gradient for input 1, which does not require"));
  EXPECT_THAT(
      message_of([](const Tensor&, Gradients& gradients) { gradients.destination(1); }),
      HasSubstr("mine: the backward computes a gradient for input 1, which does not require"));
  EXPECT_EQ(message_of([](const Tensor&, Gradients& gradients) { (void)gradients.wanted(2); }),
            "mine: the backward uses input 2, but the operation has 2 inputs");
}

TEST(Autograd, DescribesASeedThatDoesNotMatch) {
  Tensor x = leaf({1, 2});
  EXPECT_THAT([&] { square(x).backward(Tensor::full({1}, 1.0)); },
              ThrowsMessage<Error>(StrEq("backward: the seed is (1) float32 on cpu, the output of "
                                         "'square' is (2) float32 on cpu; they must match")));
  EXPECT_THROW(square(x).backward(Tensor::full({2}, 1.0, DType::float64)), Error);
  EXPECT_THROW(Tensor().backward(), Error);
  EXPECT_FALSE(x.gradient().defined());
}

// Returns x through an operation whose backward throws while `fails`.
Tensor failing(const Tensor& x, const bool& fails) {
  return autograd::record("failing", x.detach(), {&x},
                          [&fails](const Tensor& gradient, Gradients& gradients) {
                            if (fails) fail("failing: as asked");
                            gradients.add(0, gradient);
                          });
}

TEST(Autograd, AFailedBackwardLeavesNoGradients) {
  Tensor x = leaf({1, 2}), y = leaf({3, 4});
  int hooks = 0;
  x.on_gradient([&] { ++hooks; });
  bool fails = true;
  const Tensor shared = x * 2.0;
  const Tensor loss = sum(failing(shared, fails) * y + shared);
  EXPECT_THROW(loss.backward(), Error);
  EXPECT_FALSE(x.gradient().defined());
  EXPECT_FALSE(y.gradient().defined());  // although it was computed before the failure
  EXPECT_THAT([&] { loss.backward(); },
              ThrowsMessage<Error>(HasSubstr("used by an earlier backward")));
  EXPECT_THROW(sum(shared).backward(), Error);
  fails = false;
  sum(failing(x * 2.0, fails) * y).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(6, 8));
  EXPECT_THAT(y.gradient().to_vector<float>(), ElementsAre(2, 4));
  EXPECT_EQ(hooks, 1);
}

TEST(Autograd, ARejectedBackwardKeepsEarlierGradients) {
  Tensor x = leaf({1, 2});
  int hooks = 0;
  x.on_gradient([&] { ++hooks; });
  const Tensor shared = x * 2.0;
  sum(shared).backward();
  EXPECT_THROW(sum(shared * 3.0 + x).backward(), Error);
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(2, 2));
  sum(x * 1.0).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(3, 3));
  EXPECT_EQ(hooks, 2);
}

TEST(Autograd, AnExceptionFromAHookEndsTheBackward) {
  Tensor x = leaf({1, 2});
  bool fails = true;
  x.on_gradient([&] {
    if (fails) fail("hook");
  });
  EXPECT_THROW(sum(x * x).backward(), Error);
  EXPECT_FALSE(x.gradient().defined());
  fails = false;
  sum(x * x).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(2, 4));
}

TEST(Autograd, AHookMayRunABackwardWithoutCompletingOthersEarly) {
  Tensor first = leaf({1, 2}), last = leaf({3, 4});
  std::vector<std::vector<float>> seen;
  const Tensor other = sum(first * 10.0);
  last.on_gradient([&] { other.backward(); });
  first.on_gradient([&] { seen.push_back(first.gradient().to_vector<float>()); });
  sum((first * 2.0) * last).backward();
  EXPECT_THAT(seen, ElementsAre(ElementsAre(16, 18)));
}

TEST(Autograd, AHookMustNotRunABackwardThroughTheGraphThatIsRunning) {
  Tensor first = leaf({1, 2}), last = leaf({3, 4});
  const Tensor shared = first * 2.0;
  const Tensor other = sum(shared * 3.0), loss = sum(shared * last);
  last.on_gradient([&] { other.backward(); });
  EXPECT_THAT([&] { loss.backward(); },
              ThrowsMessage<Error>(HasSubstr("'multiply' is already part of the outer backward")));
}

TEST(Autograd, ATensorUsedAsSeveralInputsGetsTheSumOfItsGradients) {
  Tensor x = leaf({1, 2});
  Tensor y = autograd::record("both", x.detach() * 5.0, {&x, &x},
                              [](const Tensor& gradient, Gradients& gradients) {
                                const auto first = gradients.destination(0);
                                const auto second = gradients.destination(1);
                                EXPECT_FALSE(first.accumulate || second.accumulate);
                                Tensor(first.tensor).copy_from(gradient * 2.0);
                                Tensor(second.tensor).copy_from(gradient * 3.0);
                              });
  sum(y).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(5, 5));
}

TEST(Autograd, NamesTheOperationWhoseSavedTensorWasChanged) {
  Tensor w = leaf({1, 2}), x = Tensor::of<float>({2}, {3, 4});
  const auto change_then_backward = [&](const Tensor& loss, const std::function<void()>& change) {
    change();
    loss.backward();
  };
  const auto is_named = [](const std::string& operation) {
    return ThrowsMessage<Error>(StartsWith(operation + ": a tensor saved for the backward, (2) "
                                                       "float32 on cpu, was changed in place"));
  };
  const auto fill = [&] { x.fill(7.0); };
  EXPECT_THAT([&] { change_then_backward(sum(w * x), fill); }, is_named("multiply"));
  EXPECT_THAT([&] { change_then_backward(sum(w / x), fill); }, is_named("divide"));
  EXPECT_THAT([&] { change_then_backward(sum(w * x), [&] { add_into(x, x); }); },
              is_named("multiply"));
  EXPECT_THAT(
      [&] {
        change_then_backward(sum(w * x), [&] { x.slice(0, 0, 1).copy_from(x.slice(0, 1, 2)); });
      },
      is_named("multiply"));
  EXPECT_THAT(
      [&] {
        change_then_backward(sum(w * x), [&] {
          x.data<float>()[0] = 1;
          x.mark_changed();
        });
      },
      is_named("multiply"));
  const Tensor y = exp(w);
  const Tensor loss = sum(y * y);
  EXPECT_THAT([&] { change_then_backward(loss, [&] { y.detach().fill(0.0); }); },
              is_named("multiply"));
}

TEST(Autograd, TensorsThatNoBackwardNeedsMayBeChanged) {
  Tensor w = leaf({1, 2}), x = Tensor::of<float>({2}, {3, 4});
  const Tensor scaled = sum(w * x), shifted = sum(w + x);
  {
    const NoGrad no_grad;
    w.fill(9.0);  // only needed for the gradient of x
  }
  scaled.backward();
  x.fill(7.0);
  shifted.backward();
  EXPECT_THAT(w.gradient().to_vector<float>(), ElementsAre(4, 5));
}

}  // namespace
}  // namespace ripieno
