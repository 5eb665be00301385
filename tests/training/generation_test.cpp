#include "ripieno/training/generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/autograd.h"
#include "ripieno/core/error.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/models/llama.h"
#include "ripieno/core/random.h"

namespace ripieno {
namespace {

using testing::ElementsAre;

// Logits of the probabilities 1/2, 1/4, 1/8, 1/8 of tokens 2, 0, 3, 1.
const std::vector<float> kLogits = {std::log(2.f), 0.f, std::log(4.f), 0.f};

TEST(Choose, TakesTheTokenAtItsShareOfTheProbabilities) {
  const auto at = [](double uniform) { return choose(kLogits, {}, {}, uniform); };
  EXPECT_EQ(at(0.01), 2);
  EXPECT_EQ(at(0.49), 2);
  EXPECT_EQ(at(0.51), 0);
  EXPECT_EQ(at(0.74), 0);
  EXPECT_EQ(at(0.76), 1) << "the first of two equal ones";
  EXPECT_EQ(at(0.90), 3);
  EXPECT_EQ(at(1.00), 3);
}

TEST(Choose, LeavesOutTheUnlikelyTokens) {
  EXPECT_EQ(choose(kLogits, {}, {.top_k = 2}, 1.0), 0);
  EXPECT_EQ(choose(kLogits, {}, {.top_k = 1}, 1.0), 2);
  EXPECT_EQ(choose(kLogits, {}, {.top_k = 99}, 1.0), 3);
  EXPECT_EQ(choose(kLogits, {}, {.top_p = 0.5}, 1.0), 2);
  EXPECT_EQ(choose(kLogits, {}, {.top_p = 0.51}, 1.0), 0);
  EXPECT_EQ(choose(kLogits, {}, {.top_p = 0.8}, 1.0), 1);
  // Of the three likeliest, whose shares are 4/7, 2/7, 1/7.
  EXPECT_EQ(choose(kLogits, {}, {.top_k = 3, .top_p = 0.57}, 1.0), 2);
}

TEST(Choose, SharpensWithALowTemperature) {
  EXPECT_EQ(choose(kLogits, {}, {.temperature = 0.01}, 1.0 - 1e-9), 2);
  EXPECT_EQ(choose(kLogits, {}, {.temperature = 0}, 1.0), 2);
  EXPECT_EQ(choose(kLogits, {}, {.temperature = 1e9}, 0.26), 0) << "all are equally likely";
}

TEST(Choose, PenalizesTokensThatTheTextHas) {
  const std::vector<int32_t> text = {2, 2};
  EXPECT_EQ(choose(kLogits, text, {.repetition_penalty = 3, .temperature = 0}, 1.0), 0);
  const std::vector<float> negative = {-1.f, -1.5f};
  const std::vector<int32_t> zero = {0};
  EXPECT_EQ(choose(negative, zero, {.repetition_penalty = 2, .temperature = 0}, 1.0), 1);
}

TEST(Choose, RefusesWhatIsNotFiniteAndOptionsOutsideTheirDomain) {
  const std::vector<float> bad = {0.f, NAN};
  EXPECT_THROW(choose(bad, {}, {}, 0.5), DataError);
  EXPECT_THROW(check(SamplingOptions{.repetition_penalty = 0.5}), ConfigurationError);
  EXPECT_THROW(check(SamplingOptions{.temperature = -1}), ConfigurationError);
  EXPECT_THROW(check(SamplingOptions{.top_k = -1}), ConfigurationError);
  EXPECT_THROW(check(SamplingOptions{.top_p = 0}), ConfigurationError);
  EXPECT_THROW(check(SamplingOptions{.top_p = 1.5}), ConfigurationError);
}

std::unique_ptr<nn::LanguageModel> small_model(const std::string& kind) {
  const ScopedRandomContext context({.seed = 3});
  std::unique_ptr<nn::LanguageModel> model;
  if (kind == "gpt") {
    model = std::make_unique<nn::Gpt>(
        nn::GptOptions{.vocab = 11, .layers = 2, .heads = 2, .channels = 16, .context = 12});
  } else {
    model = std::make_unique<nn::Llama>(nn::LlamaOptions{.vocab = 11,
                                                         .layers = 2,
                                                         .heads = 4,
                                                         .key_value_heads = 2,
                                                         .channels = 16,
                                                         .hidden = 24,
                                                         .context = 12});
  }
  model->to(Device::cpu());
  model->evaluate();
  return model;
}

class Generation : public testing::TestWithParam<std::string> {};

TEST_P(Generation, HasTheLogitsOfTheModelWithoutACache) {
  const auto model = small_model(GetParam());
  const NoGrad no_grad;
  const std::vector<int32_t> ids = {1, 5, 2, 7, 3, 0, 10, 4, 4};
  const int64_t time = std::ssize(ids);
  const Tensor all = model->logits(Tensor::of<int32_t>({1, time}, ids), {});
  nn::KeyValueCache cache = model->make_cache(1);
  for (int64_t begin = 0, end = 3; end <= time; begin = end++) {
    const std::vector<int32_t> part(ids.begin() + begin, ids.begin() + end);
    const auto next =
        model->next_logits(Tensor::of<int32_t>({1, end - begin}, part), cache).to_vector<float>();
    const auto wanted = all.slice(1, end - 1, end).to_vector<float>();
    for (std::size_t i = 0; i < wanted.size(); ++i) ASSERT_NEAR(next[i], wanted[i], 1e-5) << end;
  }
}

TEST_P(Generation, OfASampleDoesNotDependOnTheNumberOfSamples) {
  const auto model = small_model(GetParam());
  const auto texts_of = [&](int64_t samples) {
    TextGenerator generator(*model, {1, 2}, {}, {.samples = samples, .seed = 7});
    for (int i = 0; i < 30; ++i) generator.next();
    std::vector<std::vector<int32_t>> texts;
    for (int64_t i = 0; i < samples; ++i) {
      texts.emplace_back(generator.text(i).begin(), generator.text(i).end());
    }
    return texts;
  };
  const auto one = texts_of(1), three = texts_of(3);
  EXPECT_EQ(one[0], three[0]);
  EXPECT_NE(three[0], three[1]);
}

TEST_P(Generation, ContinuesBehindAFullContextAndALongPrompt) {
  const auto model = small_model(GetParam());
  TextGenerator generator(*model, std::vector<int32_t>(20, 3), {.temperature = 0}, {});
  std::vector<int32_t> expected(20, 3);
  const NoGrad no_grad;
  // The window is the last 12 tokens at first, and 6 when they are full.
  for (int64_t window = 12, i = 0; i < 20; ++i, window = window == 12 ? 6 : window + 1) {
    const std::vector<int32_t> seen(expected.end() - window, expected.end());
    const auto logits = model->logits(Tensor::of<int32_t>({1, window}, seen), {})
                            .slice(1, window - 1, window)
                            .to_vector<float>();
    expected.push_back(choose(logits, {}, {.temperature = 0}, 1.0));
    generator.next();
  }
  EXPECT_EQ(std::vector<int32_t>(generator.text(0).begin(), generator.text(0).end()), expected);
}

TEST_P(Generation, SeparatesDocumentsToTheBit) {
  const auto model = small_model(GetParam());
  const NoGrad no_grad;
  const DocumentRanges documents = document_ranges({{4, 5, 3}}, 12);
  const auto second = [&](int32_t other) {
    std::vector<int32_t> ids(12, other);
    for (int i = 4; i < 9; ++i) ids[static_cast<std::size_t>(i)] = i;
    return model->logits(Tensor::of<int32_t>({1, 12}, ids), documents)
        .slice(1, 4, 9)
        .to_vector<float>();
  };
  EXPECT_EQ(second(1), second(2));
  // And alone, at the beginning of a window.
  const auto alone =
      model->logits(Tensor::of<int32_t>({1, 5}, {4, 5, 6, 7, 8}), {}).to_vector<float>();
  const auto within = second(1);
  for (std::size_t i = 0; i < alone.size(); ++i) ASSERT_NEAR(alone[i], within[i], 1e-5) << i;
}

INSTANTIATE_TEST_SUITE_P(All, Generation, testing::Values("gpt", "llama"),
                         [](const auto& kind) { return kind.param; });

}  // namespace
}  // namespace ripieno
