#include "ripieno/kernels/random.h"

#include "kernels/values.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/kernels/dropout.h"

namespace ripieno::kernels {
namespace {

constexpr RandomKey kKey{.seed = 42, .stream = 7, .step = 3};

// Known answers from the reference implementation of the Philox paper: counters and keys of all
// zeros and all ones.
TEST(Philox, MatchesTheKnownAnswers) {
  const RandomBlock zero = philox({0, 0, 0}, 0);
  EXPECT_EQ(zero.word[0], 0x6627e8d5u);
  EXPECT_EQ(zero.word[1], 0xe169c58du);
  EXPECT_EQ(zero.word[2], 0xbc57ac4cu);
  EXPECT_EQ(zero.word[3], 0x9b00dbd8u);
  constexpr uint64_t kOnes = ~uint64_t{0};
  const RandomBlock ones = philox({0, kOnes, kOnes}, kOnes);
  EXPECT_EQ(ones.word[0], 0x408f276du);
  EXPECT_EQ(ones.word[1], 0x41c83b0eu);
  EXPECT_EQ(ones.word[2], 0xa20bc7c6u);
  EXPECT_EQ(ones.word[3], 0x6d5451fdu);
}

template <typename T>
class Random : public testing::Test {};
TYPED_TEST_SUITE(Random, Floats);

TYPED_TEST(Random, ElementsDependOnTheirIndexAlone) {
  std::vector<TypeParam> whole(10000), range(1000), normals(10000), some_normals(1000);
  fill_uniform(OnCpu{}, whole.data(), 10000, -1.0, 3.0, kKey, 5);
  fill_normal(OnCpu{}, normals.data(), 10000, 0.0, 1.0, kKey, 5);
  for (const int64_t from : {0, 1, 2, 3, 4999, 9000}) {
    fill_uniform(OnCpu{}, range.data(), 1000, -1.0, 3.0, kKey, 5 + from);
    fill_normal(OnCpu{}, some_normals.data(), 1000, 0.0, 1.0, kKey, 5 + from);
    expect_identical(range, {whole.begin() + from, whole.begin() + from + 1000});
    expect_identical(some_normals, {normals.begin() + from, normals.begin() + from + 1000});
  }
}

TYPED_TEST(Random, UniformIsTheScaledWord) {
  std::vector<TypeParam> out(1001);
  fill_uniform(OnCpu{}, out.data(), 1001, -1.0, 3.0, kKey, 0);
  for (int64_t i = 0; i < 1001; ++i) {
    const uint32_t word = philox(kKey, static_cast<uint64_t>(i / 4)).word[i % 4];
    const double uniform = (static_cast<double>(word >> 8) + 1) / 16777216.0;
    const auto expected = static_cast<accumulator_t<TypeParam>>(-1.0 + 4.0 * uniform);
    ASSERT_EQ(to_double(out[i]), to_double(TypeParam(expected)));
  }
}

TEST(Random, NormalsHaveTheMomentsAndTailsOfTheirDistribution) {
  constexpr int64_t kSize = 1 << 20;
  std::vector<double> values(kSize);
  fill_normal(OnCpu{}, values.data(), kSize, 2.0, 3.0, kKey, 0);
  double mean = 0, variance = 0, fourth = 0, beyond = 0;
  for (const double value : values) {
    const double x = (value - 2.0) / 3.0;
    mean += x / kSize;
    variance += x * x / kSize;
    fourth += x * x * x * x / kSize;
    beyond += (std::fabs(x) > 2.0) / static_cast<double>(kSize);
  }
  EXPECT_NEAR(mean, 0.0, 0.005);
  EXPECT_NEAR(variance, 1.0, 0.01);
  EXPECT_NEAR(fourth, 3.0, 0.06);
  EXPECT_NEAR(beyond, 0.0455, 0.002);
}

TEST(Random, AdjacentNormalsAreNotCorrelated) {
  constexpr int64_t kSize = 1 << 20;
  std::vector<double> values(kSize);
  fill_normal(OnCpu{}, values.data(), kSize, 0.0, 1.0, kKey, 0);
  for (const int64_t lag : {1, 2, 3, 4}) {
    double sum = 0;
    for (int64_t i = 0; i + lag < kSize; ++i) sum += values[i] * values[i + lag] / kSize;
    EXPECT_NEAR(sum, 0.0, 0.005);
  }
}

TYPED_TEST(Random, DropoutDependsOnTheWordOfTheGlobalIndex) {
  const auto in = random_values<TypeParam>(1001, 1);
  for (const int64_t offset : {0, 3, 4, 1000003}) {
    std::vector<double> expected;
    for (int64_t i = 0; i < 1001; ++i) {
      const uint64_t element = static_cast<uint64_t>(offset + i);
      const bool kept = to_uniform(philox(kKey, element / 4).word[element % 4]) > 0.25f;
      expected.push_back(kept ? to_double(in[i]) / 0.75 : 0.0);
    }
    std::vector<TypeParam> out(1001);
    dropout(OnCpu{}, out.data(), in.data(), 1001, {0.25, &kKey, offset});
    expect_close(out, expected);
  }
}

TYPED_TEST(Random, DropoutWithProbability0KeepsAllAndWith1KeepsNone) {
  const auto in = random_values<TypeParam>(1001, 1);
  std::vector<TypeParam> out(1001);
  dropout(OnCpu{}, out.data(), in.data(), 1001, {0.0, &kKey, 0});
  expect_identical(out, in);
  dropout(OnCpu{}, out.data(), in.data(), 1001, {1.0, &kKey, 0});
  expect_identical(out, std::vector<TypeParam>(1001));
}

}  // namespace
}  // namespace ripieno::kernels
