#include "ripieno/io/data/mixture.h"

#include <gmock/gmock.h>

#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/data/token_loader.h"

namespace ripieno::io {
namespace {

// Tokens first .. first + size - 1, so that a token tells its source.
TokenData range(int32_t first, int32_t size) {
  std::vector<int32_t> tokens(static_cast<std::size_t>(size));
  std::iota(tokens.begin(), tokens.end(), first);
  return TokenData::of(tokens, Tokenizer::external("ranges", 100'000), std::to_string(first));
}

TokenLoaderOptions options(int64_t batch_size) {
  return {.batch_size = batch_size,
          .context = 4,
          .seed = 3,
          .sampling = Sampling::epoch,
          .validation_fraction = 0};
}

std::vector<int32_t> first_tokens(const Batch& batch) {
  const auto tokens = batch.inputs.to_vector<int32_t>();
  std::vector<int32_t> first;
  for (std::size_t at = 0; at < tokens.size(); at += 4) first.push_back(tokens[at]);
  return first;
}

TEST(Mixture, HasExactProportionsInEachBlock) {
  const Mixture mixture({5, 2, 1}, 7);
  for (int64_t block = 0; block < 100; ++block) {
    std::map<std::size_t, int> counts;
    for (int64_t i = 0; i < 8; ++i) ++counts[mixture.at(8 * block + i).source];
    EXPECT_THAT(counts, testing::ElementsAre(testing::Pair(0, 5), testing::Pair(1, 2),
                                             testing::Pair(2, 1)));
  }
}

TEST(Mixture, VisitsEachPositionOfASourceOnce) {
  const Mixture mixture({5, 2, 1}, 7);
  std::set<std::pair<std::size_t, int64_t>> places;
  for (int64_t i = 0; i < 800; ++i) {
    const auto place = mixture.at(i);
    places.insert({place.source, place.position});
  }
  EXPECT_EQ(places.size(), 800U);
  EXPECT_TRUE(places.contains({0, 499}) && places.contains({1, 199}) && places.contains({2, 99}));
}

TEST(Mixture, DependsOnTheSeed) {
  const Mixture one({3, 3}, 1), other({3, 3}, 2);
  int differences = 0;
  for (int64_t i = 0; i < 600; ++i) differences += one.at(i).source != other.at(i).source;
  EXPECT_GT(differences, 100);
}

TEST(Mixture, RefusesWeightsThatAreNotPositiveOrTooLarge) {
  EXPECT_THROW(Mixture({}, 1), ConfigurationError);
  EXPECT_THROW(Mixture({1, 0}, 1), ConfigurationError);
  EXPECT_THROW(Mixture({1'000'000, 1}, 1), ConfigurationError);
}

TEST(TokenMixture, IsTheSameOnAnyNumberOfRanksAndAfterAResume) {
  const std::vector<WeightedTokens> sources{{range(0, 401), 3}, {range(50'000, 101), 1}};
  TokenLoader alone(sources, options(6));
  alone.next();
  const auto expected = first_tokens(alone.next());
  std::vector<int32_t> together;
  for (int rank = 0; rank < 3; ++rank) {
    TokenLoader resumed(sources, options(6), {.rank = rank, .size = 3});
    resumed.seek(6);
    const auto rows = first_tokens(resumed.next());
    together.insert(together.end(), rows.begin(), rows.end());
  }
  EXPECT_EQ(together, expected);
}

TEST(TokenMixture, TakesEachSourceInTheOrderThatItHasAlone) {
  TokenLoader mixed(std::vector<WeightedTokens>{{range(0, 401), 3}, {range(50'000, 101), 1}},
                    options(4));
  TokenLoader alone(range(0, 401), options(3));
  for (int step = 0; step < 40; ++step) {
    auto rows = first_tokens(mixed.next());
    std::erase_if(rows, [](int32_t token) { return token >= 50'000; });
    auto expected = first_tokens(alone.next());
    EXPECT_THAT(rows, testing::UnorderedElementsAreArray(expected)) << "step " << step;
  }
}

TEST(TokenMixture, HoldsOutTheEndOfEachSource) {
  auto held_out = options(4);
  held_out.validation_fraction = 0.1;
  const TokenLoader loader(
      std::vector<WeightedTokens>{{range(0, 1'000), 1}, {range(50'000, 500), 1}}, held_out);
  const auto set = loader.held_out(100);
  ASSERT_EQ(set->batches(), 1);
  const auto first = first_tokens(set->batch(0));
  EXPECT_EQ(first.size(), 25U + 13U);  // 99 targets and 49 targets, 4 per window
  EXPECT_EQ(first[0], 900);
  EXPECT_EQ(first[25], 50'450);
}

TEST(TokenMixture, ValidatesWithOtherTokensIfTheyAreGiven) {
  auto other = options(4);
  other.validation = range(7, 9);
  const TokenLoader loader(range(0, 100), other);
  EXPECT_THAT(first_tokens(loader.held_out(10)->batch(0)), testing::ElementsAre(7, 11));
}

TEST(TokenMixture, HasAFingerprintOfSourcesAndWeights) {
  const auto fingerprint = [](int32_t first, int64_t weight) {
    return TokenLoader(std::vector<WeightedTokens>{{range(first, 100), weight}, {range(9, 90), 1}},
                       options(4))
        .fingerprint();
  };
  EXPECT_NE(fingerprint(0, 1), fingerprint(0, 2));
  EXPECT_NE(fingerprint(0, 1), fingerprint(1, 1));
}

}  // namespace
}  // namespace ripieno::io
