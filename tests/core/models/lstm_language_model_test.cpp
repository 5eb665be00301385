#include "ripieno/core/models/lstm_language_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ripieno/core/autograd.h"
#include "ripieno/core/error.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/random.h"

namespace ripieno {
namespace {

// A text that repeats 0 1 2 3 2 1: what follows a 1 or a 2 depends on the token before it.
Tensor text(int64_t rows, int64_t time, int64_t first) {
  constexpr int32_t kPeriod[] = {0, 1, 2, 3, 2, 1};
  std::vector<int32_t> ids;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < time; ++i) ids.push_back(kPeriod[(row + first + i) % 6]);
  }
  return Tensor::of<int32_t>({rows, time}, ids);
}

TEST(LstmLanguageModel, LearnsATextThatNeedsAMemory) {
  random_context().seed = 3;
  nn::LstmLanguageModel model({.vocab = 4, .channels = 16, .layers = 2});
  optim::AdamW optimizer(model.parameters(), {.learning_rate = 0.02});
  const Tensor ids = text(6, 12, 0), targets = text(6, 12, 1);
  double loss_now = 0;
  for (int step = 0; step < 100; ++step) {
    const Loss loss = model.loss(ids, targets);
    loss.sum.backward();
    optimizer.step(loss.count);
    loss_now = loss.mean();
  }
  // The first token of a row does not tell what follows a 1 or a 2: 2/3 of the rows lose log(2) at
  // one of their 12 tokens.
  EXPECT_NEAR(loss_now, 2.0 / 3 * std::log(2.0) / 12, 0.01);
}

TEST(LstmLanguageModel, ContinuesFromItsStateAsFromTheWholeText) {
  random_context().seed = 4;
  nn::LstmLanguageModel model({.vocab = 4, .channels = 8, .layers = 2});
  model.evaluate();
  const NoGrad no_grad;
  const Tensor whole = text(2, 9, 0);
  const auto expected = model(whole).slice(1, 5, 9).to_vector<float>();
  const auto first = model(whole.slice(1, 0, 5), nn::RecurrentState{});
  const auto rest = model(whole.slice(1, 5, 9), first.state);
  const auto actual = rest.outputs.to_vector<float>();
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-6);
}

TEST(LstmLanguageModel, RejectsSizesThatCannotBe) {
  EXPECT_THROW(nn::LstmLanguageModel({.vocab = 0}), ConfigurationError);
  EXPECT_THROW(nn::LstmLanguageModel({.channels = int64_t{1} << 40}), ConfigurationError);
}

}  // namespace
}  // namespace ripieno
