#include "ripieno/core/recomputation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "ripieno/core/arena/separate_gradients.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/ops/softmax.h"
#include "ripieno/core/random.h"

namespace ripieno {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Tensor leaf(const std::vector<float>& values) {
  Tensor x = Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
  x.set_requires_gradient();
  return x;
}

nn::GptOptions small_gpt(nn::Recompute recompute) {
  return {.vocab = 11,
          .layers = 3,
          .heads = 2,
          .channels = 16,
          .context = 8,
          .dropout = 0.2,
          .recompute = recompute};
}

Tensor some_ids(int64_t rows) {
  Tensor ids({rows, 8}, DType::int32);
  for (int64_t i = 0; i < ids.elements(); ++i)
    ids.data<int32_t>()[i] = static_cast<int32_t>(i * i % 11);
  return ids;
}

// The loss of two rows, which start at `row` of the global batch.
Tensor model_loss(const nn::Gpt& model, const Tensor& ids, int64_t row) {
  random_context().first_row = row;
  const Tensor rows = ids.slice(0, row, row + 2);
  return model.loss(rows, rows).sum;
}

// The gradients of two micro-batches.
std::vector<float> gradients_of(nn::Gpt& model) {
  const Tensor ids = some_ids(4);
  random_context() = {.seed = 5, .step = 3, .first_row = 0};
  for (const int64_t row : {0, 2}) model_loss(model, ids, row).backward();
  model.parameters().complete_gradients();
  return model.parameters().gradients().flat().to_vector<float>();
}

TEST(Recomputation, HasTheGradientsOfThePlainFunction) {
  Tensor x = leaf({3, 5}), weight = leaf({2, 7});
  sum(recomputed([&](const Tensor& y) { return y * y * weight; }, x) * x).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(3 * 9 * 2, 3 * 25 * 7));
  EXPECT_THAT(weight.gradient().to_vector<float>(), ElementsAre(27, 125));
}

TEST(Recomputation, OfBlocksIsBitwiseIdenticalForAGpt) {
  nn::Gpt plain(small_gpt(nn::Recompute::none)), recomputing(small_gpt(nn::Recompute::blocks));
  EXPECT_EQ(gradients_of(recomputing), gradients_of(plain));
}

TEST(Recomputation, UsesTheRandomNumbersOfItsForwardAfterTheStepHasChanged) {
  nn::Gpt plain(small_gpt(nn::Recompute::none)), recomputing(small_gpt(nn::Recompute::blocks));
  const auto expected = gradients_of(plain);
  random_context() = {.seed = 5, .step = 3, .first_row = 0};
  const Tensor ids = some_ids(4);
  const Tensor first = model_loss(recomputing, ids, 0), second = model_loss(recomputing, ids, 2);
  random_context().step = 4;
  first.backward();
  second.backward();
  EXPECT_EQ(random_context().step, 4u);
  EXPECT_EQ(recomputing.parameters().gradients().flat().to_vector<float>(), expected);
}

TEST(Recomputation, DrawsTheNoiseOfItsForwardAgain) {
  Tensor x = leaf({1, 2});
  std::vector<std::vector<float>> drawn;
  const Tensor y = recomputed(
      [&](const Tensor& input) {
        const Tensor noise = Tensor::randn({2});
        drawn.push_back(noise.to_vector<float>());
        return input * noise;
      },
      x);
  const Tensor next = Tensor::randn({2});
  sum(y).backward();
  ASSERT_EQ(drawn.size(), 2u);
  EXPECT_EQ(drawn[1], drawn[0]);
  EXPECT_EQ(x.gradient().to_vector<float>(), drawn[0]);
  EXPECT_NE(next.to_vector<float>(), drawn[0]);
  EXPECT_NE(Tensor::randn({2}).to_vector<float>(), next.to_vector<float>());
}

TEST(Recomputation, RunsEachHookOnceWithTheCompleteGradient) {
  Tensor x = leaf({1, 2}), shared = leaf({3, 4});
  std::vector<std::vector<float>> seen;
  shared.on_gradient([&] { seen.push_back(shared.gradient().to_vector<float>()); });
  const auto function = [&](const Tensor& y) { return y * shared + shared; };
  sum(recomputed(function, recomputed(function, x)) + shared).backward();
  // ((x s + s) s + s) + s: its derivative is 2 x s + 2 s + 2.
  EXPECT_THAT(seen, ElementsAre(ElementsAre(14, 26)));
}

TEST(Recomputation, MayBeNested) {
  Tensor x = leaf({2}), weight = leaf({3});
  int hooks = 0;
  weight.on_gradient([&] { ++hooks; });
  const auto inner = [&](const Tensor& y) { return y * weight; };
  const auto outer = [&](const Tensor& y) { return recomputed(inner, y) * weight; };
  sum(recomputed(outer, x)).backward();
  EXPECT_THAT(weight.gradient().to_vector<float>(), ElementsAre(12));
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(9));
  EXPECT_EQ(hooks, 1);
}

TEST(Recomputation, ComputesGradientsOfCapturedTensors) {
  Tensor x = leaf({2}), w = leaf({5});
  const Tensor y = w * 2.0;
  sum(y * 3.0 + recomputed([&](const Tensor& t) { return t * y; }, x)).backward();
  EXPECT_THAT(w.gradient().to_vector<float>(), ElementsAre(2 * 3 + 2 * 2));
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(10));
}

TEST(Recomputation, AddsBothGradientsOfACapturedInput) {
  Tensor x = leaf({2});
  const Tensor y = x * 3.0;
  sum(recomputed([&](const Tensor& t) { return t * y * t; }, y)).backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(3 * 3 * 36));
}

TEST(Recomputation, SupportsCapturesThroughSeveralLevels) {
  Tensor x = leaf({2}), w = leaf({3});
  int hooks = 0;
  w.on_gradient([&] { ++hooks; });
  const Tensor y = w * 2.0;
  const auto inner = [&](const Tensor& t) { return t * y; };
  const auto outer = [&](const Tensor& t) { return recomputed(inner, t * y) * y; };
  sum(recomputed(outer, x) + y).backward();
  EXPECT_THAT(w.gradient().to_vector<float>(), ElementsAre(2 * (2 * 3 * 36 + 1)));
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(216));
  EXPECT_EQ(hooks, 1);
}

TEST(Recomputation, SupportsAFunctionThatReturnsACapturedTensor) {
  Tensor x = leaf({2}), w = leaf({3});
  const Tensor y = w * 2.0;
  sum(recomputed([&](const Tensor&) { return y; }, x) * 5.0 +
      recomputed([&](const Tensor&) { return w; }, x) +
      recomputed([](const Tensor& t) { return t; }, x))
      .backward();
  EXPECT_THAT(w.gradient().to_vector<float>(), ElementsAre(11));
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(1));
}

TEST(Recomputation, RejectsATensorThatTheForwardDidNotRead) {
  Tensor x = leaf({2}), w = leaf({3});
  Tensor y = w * 2.0;
  const Tensor loss = sum(recomputed([&](const Tensor& t) { return t * y; }, x));
  y = w * 4.0;
  EXPECT_THAT([&] { loss.backward(); },
              ThrowsMessage<Error>(HasSubstr("the first forward did not read")));
}

TEST(Recomputation, RejectsAChangedInput) {
  Tensor x = Tensor::of<float>({1}, {2}), w = leaf({3});
  const Tensor loss = sum(recomputed([&](const Tensor& t) { return t * w; }, x));
  x.fill(9.0);
  EXPECT_THAT([&] { loss.backward(); },
              ThrowsMessage<Error>(HasSubstr("recomputed: a tensor saved for the backward")));
}

// Expects the backward of function(x) to throw after `changed` was filled.
template <typename Function>
void expect_rejected_after_filling(Tensor changed, const Function& function) {
  const Tensor x = leaf({2}), loss = sum(recomputed(function, x));
  {
    const NoGrad no_grad;
    changed.fill(9.0);
  }
  EXPECT_THAT([&] { loss.backward(); },
              ThrowsMessage<Error>(HasSubstr("recomputed: the function reads a tensor (1) float32 "
                                             "on cpu that was changed in place")));
}

TEST(Recomputation, RejectsAChangedCapturedTensor) {
  Tensor w = leaf({3}), constant = Tensor::of<float>({1}, {5});
  const auto function = [&](const Tensor& t) { return (t + constant) * w; };
  for (const Tensor& changed : {w, constant}) expect_rejected_after_filling(changed, function);
  expect_rejected_after_filling(constant, [&](const Tensor& t) {
    return t * (constant + constant);  // not recorded: requires no gradient
  });
  expect_rejected_after_filling(constant,
                                [&](const Tensor& t) { return recomputed(function, t) * 2.0; });
}

TEST(Recomputation, AllowsChangesOfItsResultAndOfTensorsThatTheFunctionWrites) {
  Tensor x = leaf({2}), scratch = Tensor::zeros({1});
  const auto function = [&](const Tensor& t) {
    const Tensor plus = softmax(t + scratch.clone());
    const NoGrad no_grad;
    scratch.fill(0.0);
    return plus;
  };
  Tensor result = recomputed(function, x);
  const Tensor loss = sum(result + 1.0);
  {
    const NoGrad no_grad;
    result.fill(0.0);
  }
  loss.backward();
  EXPECT_THAT(x.gradient().to_vector<float>(), ElementsAre(0));
}

TEST(Recomputation, OfParametersThatWereFrozenSinceHasNoGradient) {
  const Tensor x = Tensor::of<float>({1}, {2});
  Tensor w = leaf({3}), other = leaf({5});
  const Tensor loss = sum(recomputed([&](const Tensor& t) { return t * w; }, x) + other);
  w.set_requires_gradient(false);
  loss.backward();
  EXPECT_FALSE(w.gradient().defined());
  EXPECT_THAT(other.gradient().to_vector<float>(), ElementsAre(1));
}

TEST(Recomputation, RestoresTheRandomContextIfTheFunctionThrows) {
  Tensor x = leaf({2});
  random_context() = {.seed = 1, .step = 2, .first_row = 3};
  bool fails = false;
  const Tensor loss = sum(recomputed(
      [&](const Tensor& t) {
        if (fails) fail("as asked");
        return t * 2.0;
      },
      x));
  random_context() = {.seed = 4, .step = 5, .first_row = 6};
  fails = true;
  EXPECT_THROW(loss.backward(), Error);
  EXPECT_EQ(random_context().first_row, 6);
  EXPECT_EQ(random_context().step, 5u);
  random_context() = {};
}

TEST(Recomputation, RecordsNothingUnderNoGrad) {
  const Tensor x = leaf({1, 2});
  const NoGrad no_grad;
  EXPECT_FALSE(recomputed([](const Tensor& y) { return y * y; }, x).requires_gradient());
}

TEST(Recomputation, WorksInThreadsWithSeparateGradients) {
  nn::Gpt plain(small_gpt(nn::Recompute::none)), recomputing(small_gpt(nn::Recompute::blocks));
  const auto expected = gradients_of(plain);
  const Parameters parameters = recomputing.parameters();
  parameters.values().materialize();
  std::vector<std::vector<float>> results(3);
  const auto run_backwards = [&](std::size_t thread) {
    Arena arena(parameters.shared_layout(), DType::float32, Device::cpu());
    SeparateGradients gradients(parameters, arena);
    const SeparateGradients::Use use(gradients);
    random_context() = {.seed = 5, .step = 3, .first_row = 0};
    const Tensor ids = some_ids(4);
    for (const int64_t row : {0, 2}) model_loss(recomputing, ids, row).backward();
    gradients.complete();
    results[thread] = gradients.flat().to_vector<float>();
  };
  { std::jthread a(run_backwards, 0), b(run_backwards, 1), c(run_backwards, 2); }
  EXPECT_THAT(results, Each(expected));
}

// The bytes that a forward leaves in use until its backward.
int64_t bytes_saved_by_forward(nn::Recompute recompute) {
  nn::Gpt model(small_gpt(recompute));
  const Tensor ids = some_ids(64);
  model.loss(ids, ids).sum.backward();
  const int64_t before = pool(Device::cpu()).statistics().bytes_in_use;
  const Loss loss = model.loss(ids, ids);
  return pool(Device::cpu()).statistics().bytes_in_use - before;
}

TEST(Recomputation, SavesOnlyTheInputsOfBlocks) {
  const int64_t all = bytes_saved_by_forward(nn::Recompute::none);
  const int64_t inputs = bytes_saved_by_forward(nn::Recompute::blocks);
  EXPECT_LT(inputs, all / 4);
}

}  // namespace
}  // namespace ripieno
