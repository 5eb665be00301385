#include "ripieno/core/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/kernels/random.h"

namespace ripieno {
namespace {

// The published test vectors of Philox4x32-10 are for a raw key; ours mixes seed and stream. With
// seed 0, the stream is the raw key.
TEST(Philox, MatchesThePublishedTestVectors) {
  const kernels::RandomBlock zeros = kernels::philox({.seed = 0, .stream = 0, .step = 0}, 0);
  EXPECT_EQ(zeros.word[0], 0x6627e8d5u);
  EXPECT_EQ(zeros.word[1], 0xe169c58du);
  EXPECT_EQ(zeros.word[2], 0xbc57ac4cu);
  EXPECT_EQ(zeros.word[3], 0x9b00dbd8u);
  const kernels::RandomBlock ones =
      kernels::philox({.seed = 0, .stream = ~uint64_t{0}, .step = ~uint64_t{0}}, ~uint64_t{0});
  EXPECT_EQ(ones.word[0], 0x408f276du);
  EXPECT_EQ(ones.word[1], 0x41c83b0eu);
  EXPECT_EQ(ones.word[2], 0xa20bc7c6u);
  EXPECT_EQ(ones.word[3], 0x6d5451fdu);
}

TEST(Random, ARangeOfAStreamCanBeDrawnAlone) {
  const kernels::RandomKey key{.seed = 1, .stream = 2, .step = 3};
  Tensor whole({100}), part({10});
  fill_normal(whole, 0.0, 1.0, key);
  kernels::fill_normal(kernels::OnCpu{}, part.data<float>(), 10, 0.0, 1.0, key, 37);
  EXPECT_EQ(part.to_vector<float>(), whole.slice(0, 37, 47).to_vector<float>());
}

TEST(Random, NormalHasItsMoments) {
  Tensor x({200'000}, DType::float64);
  fill_normal(x, 3.0, 2.0, {.seed = 9});
  EXPECT_NEAR(mean(x).item(), 3.0, 0.02);
  EXPECT_NEAR(mean(square(x - 3.0)).item(), 4.0, 0.06);
}

TEST(Random, UniformIsWithinItsBounds) {
  Tensor x({100'000}, DType::float64);
  fill_uniform(x, -1.0, 3.0, {.seed = 9});
  EXPECT_NEAR(mean(x).item(), 1.0, 0.02);
  EXPECT_LE(max(x, 0).item(), 3.0);
  EXPECT_GE(-max(-x, 0).item(), -1.0);
}

TEST(Random, StreamsStepsAndSeedsDiffer) {
  const auto first_of = [](const kernels::RandomKey& key) {
    return kernels::philox(key, 0).word[0];
  };
  const uint32_t base = first_of({.seed = 1, .stream = 1, .step = 1});
  EXPECT_NE(first_of({.seed = 2, .stream = 1, .step = 1}), base);
  EXPECT_NE(first_of({.seed = 1, .stream = 2, .step = 1}), base);
  EXPECT_NE(first_of({.seed = 1, .stream = 1, .step = 2}), base);
  EXPECT_NE(random_stream("blocks.0"), random_stream("blocks.1"));
}

TEST(Random, CallsContinueAfterAnotherContext) {
  const ScopedRandomContext restored({.seed = 7});
  const auto numbers = [] { return Tensor::randn({4}).to_vector<float>(); };
  const auto first = numbers();
  std::vector<float> of_another;
  {
    const ScopedRandomContext other({.seed = 8});
    of_another = numbers();
  }
  EXPECT_NE(of_another, first);
  EXPECT_NE(numbers(), first);
  random_context() = {.seed = 7};
  EXPECT_EQ(numbers(), first);
}

}  // namespace
}  // namespace ripieno
