#include "ripieno/io/data/token_loader.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <vector>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/error.h"
#include "ripieno/io/data/token_windows.h"

namespace ripieno::io {
namespace {

using testing::Each;
using testing::ElementsAre;

// Tokens whose ids are their indices.
TokenData counting(int32_t size) {
  std::vector<int32_t> tokens(static_cast<std::size_t>(size));
  std::iota(tokens.begin(), tokens.end(), 0);
  return TokenData::of(tokens, Tokenizer::external("counting", std::max(size, 1)));
}

TokenLoaderOptions options(int64_t batch_size, int64_t context,
                           Sampling sampling = Sampling::random) {
  return {.batch_size = batch_size,
          .context = context,
          .seed = 5,
          .sampling = sampling,
          .validation_fraction = 0};
}

std::vector<int32_t> next_inputs(TokenLoader& loader) {
  return loader.next().inputs.to_vector<int32_t>();
}

TEST(TokenLoader, HasTheNextTokenAsTheTargetOfEachToken) {
  TokenLoader loader(counting(1'001), options(3, 7));
  const Batch batch = loader.next();
  EXPECT_EQ(batch.inputs.shape(), Shape({3, 7}));
  const auto inputs = batch.inputs.to_vector<int32_t>(),
             targets = batch.targets.to_vector<int32_t>();
  for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_EQ(targets[i], inputs[i] + 1);
}

// 9 ends a document.
TEST(TokenWindows, MarkTheDocumentsOfEachWindow) {
  const std::vector<int32_t> tokens = {1, 2, 9, 3, 9, 9, 4, 5, 6};
  const TokenData data = TokenData::of(tokens, Tokenizer::external("tokens", 10));
  const TokenWindows windows({data}, 6, 9);
  const Batch batch = allocate(windows.layout(), 2);
  windows.read(1, SampleRow(batch, 0));
  windows.read(5, SampleRow(batch, 1));  // at the end of the data
  constexpr int32_t kNone = kIgnoredTarget;
  EXPECT_THAT(batch.inputs.to_vector<int32_t>(), ElementsAre(2, 9, 3, 9, 9, 4, 9, 4, 5, 0, 0, 0));
  EXPECT_THAT(batch.targets.to_vector<int32_t>(),
              ElementsAre(9, kNone, 9, kNone, kNone, 5, kNone, 5, 6, kNone, kNone, kNone));
  EXPECT_THAT(batch.extra(kDocumentBegin).to_vector<int32_t>(),
              ElementsAre(0, 0, 2, 2, 4, 5, 0, 1, 1, 1, 1, 1));
  EXPECT_THAT(batch.extra(kDocumentPosition).to_vector<int32_t>(),
              ElementsAre(0, 1, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4));
}

TEST(TokenLoader, RefusesSeparateDocumentsWithoutATokenThatEndsThem) {
  TokenLoaderOptions separate = options(3, 7);
  separate.documents = Documents::separate;
  try {
    TokenLoader loader(counting(1'001), separate);
    FAIL();
  } catch (const ConfigurationError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("requires a tokenizer with a token that ends"));
  }
}

TEST(TokenLoader, SplitsBetweenRanksTheBatchOfASingleRank) {
  for (const int size : {2, 3, 4, 5}) {
    TokenLoader alone(counting(1'001), options(7, 9));
    std::vector<int32_t> together;
    for (int rank = 0; rank < size; ++rank) {
      TokenLoader loader(counting(1'001), options(7, 9), {rank, size});
      loader.next();
      const Batch batch = loader.next();
      EXPECT_EQ(batch.first_row * 9, std::ssize(together));
      EXPECT_EQ(batch.global_rows, 7);
      const auto part = batch.inputs.to_vector<int32_t>();
      together.insert(together.end(), part.begin(), part.end());
    }
    alone.next();
    EXPECT_EQ(together, next_inputs(alone)) << "on " << size << " ranks";
  }
}

TEST(TokenLoader, ResumesAtAPosition) {
  TokenLoader whole(counting(1'001), options(4, 8)), resumed(counting(1'001), options(4, 8));
  for (int i = 0; i < 5; ++i) whole.next();
  EXPECT_EQ(whole.position(), 20);
  resumed.seek(whole.position());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(next_inputs(resumed), next_inputs(whole));
}

TEST(TokenLoader, SeeksBackToTheBeginning) {
  TokenLoader loader(counting(1'001), options(4, 8));
  const auto first = next_inputs(loader);
  loader.next();
  loader.seek(0);
  EXPECT_EQ(loader.position(), 0);
  EXPECT_EQ(next_inputs(loader), first);
}

TEST(TokenLoader, DrawsWindowsFromAllOfTheData) {
  TokenLoader loader(counting(20), options(500, 8));
  const auto inputs = next_inputs(loader);
  std::map<int32_t, int> firsts;
  for (std::size_t i = 0; i < inputs.size(); i += 8) ++firsts[inputs[i]];
  EXPECT_EQ(firsts.size(), 12u);  // 0 … 11: the last target is token 19
  EXPECT_EQ(firsts.rbegin()->first, 11);
}

TEST(TokenLoader, VisitsEachWindowOncePerEpoch) {
  TokenLoader loader(counting(10 * 8 + 1), options(9, 8, Sampling::epoch));
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<int32_t> inputs = next_inputs(loader);
    std::sort(inputs.begin(), inputs.end());
    EXPECT_EQ(std::adjacent_find(inputs.begin(), inputs.end()), inputs.end());
    EXPECT_EQ(inputs.back() - inputs.front(), 9 * 8 - 1);  // the windows are adjacent
  }
}

TEST(TokenLoader, CutsWindowsDifferentlyInEachEpoch) {
  TokenLoader loader(counting(10 * 8 + 1), options(9, 8, Sampling::epoch));
  std::vector<int32_t> offsets;
  for (int epoch = 0; epoch < 20; ++epoch) {
    const auto inputs = next_inputs(loader);
    offsets.push_back(*std::min_element(inputs.begin(), inputs.end()));
  }
  EXPECT_GT(*std::max_element(offsets.begin(), offsets.end()),
            *std::min_element(offsets.begin(), offsets.end()));
  EXPECT_THAT(offsets, Each(testing::Lt(8)));
}

TEST(TokenLoader, AcceptsATextOfExactlyOneWindow) {
  for (const Sampling sampling : {Sampling::random, Sampling::epoch}) {
    TokenLoader loader(counting(9), options(2, 8, sampling));
    EXPECT_THAT(loader.next().targets.slice(0, 1, 2).to_vector<int32_t>(),
                ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  }
}

TEST(TokenLoader, RejectsATextSmallerThanOneWindow) {
  EXPECT_THROW(TokenLoader(counting(8), options(2, 8)), ConfigurationError);
  EXPECT_THROW(TokenLoader(counting(0), options(2, 8)), ConfigurationError);
}

TEST(TokenLoader, GivesARankNoRowsIfThereAreFewerRowsThanRanks) {
  const Batch batch = TokenLoader(counting(100), options(2, 8), {2, 3}).next();
  EXPECT_EQ(batch.inputs.shape(), (Shape{0, 8}));
  EXPECT_EQ(batch.targets.shape(), (Shape{0, 8}));
  EXPECT_THROW(TokenLoader(counting(100), options(0, 8)), ConfigurationError);
}

TEST(TokenLoader, RejectsAContextOfZero) {
  EXPECT_THROW(TokenLoader(counting(100), options(2, 0)), ConfigurationError);
}

TEST(TokenLoader, HoldsOutTheLastTokens) {
  TokenLoaderOptions tenth = options(2, 8);
  tenth.validation_fraction = 0.1;
  TokenLoader loader(counting(1'000), tenth);
  EXPECT_EQ(loader.held_out(1)->batch(0).inputs.to_vector<int32_t>().front(), 900);
  EXPECT_EQ(TokenLoader(counting(1'000), options(2, 8)).held_out(1), nullptr);
}

TEST(TokenLoader, RejectsHoldingOutTooFewTokens) {
  TokenLoaderOptions some = options(2, 8);
  some.validation_fraction = 0.01;
  EXPECT_THROW(TokenLoader(counting(100), some), ConfigurationError);
  EXPECT_NE(TokenLoader(counting(200), some).held_out(1), nullptr);
}

TEST(TokenLoader, AllocatesNothingFromTheSystemInTheSteadyState) {
  TokenLoader loader(counting(1'001), options(4, 8));
  // The pool grows whenever more batches exist at the same time than before, which depends on the
  // timing of the threads. An allocation per batch would show in every round.
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int round = 0; round < 5; ++round) {
    const int64_t before = pool(Device::cpu()).statistics().upstream_allocations;
    for (int i = 0; i < 200; ++i) loader.next();
    least = std::min(least, pool(Device::cpu()).statistics().upstream_allocations - before);
  }
  EXPECT_EQ(least, 0);
}

// All targets of the evaluation batches of all ranks, sorted.
std::vector<int32_t> targets_of(const TokenData& data, int64_t batch_size, int64_t context,
                                int ranks) {
  std::vector<int32_t> targets;
  for (int rank = 0; rank < ranks; ++rank) {
    const TokenEvaluation evaluation(data, batch_size, context, {rank, ranks});
    for (int64_t i = 0; i < evaluation.batches(); ++i) {
      const auto part = evaluation.batch(i).targets.to_vector<int32_t>();
      targets.insert(targets.end(), part.begin(), part.end());
    }
  }
  std::erase(targets, kIgnoredTarget);
  std::sort(targets.begin(), targets.end());
  return targets;
}

TEST(TokenEvaluation, HasEachTokenButTheFirstAsATargetOnce) {
  for (const int32_t size : {2, 8, 9, 10, 100, 129}) {
    std::vector<int32_t> expected(static_cast<std::size_t>(size) - 1);
    std::iota(expected.begin(), expected.end(), 1);
    for (const int ranks : {1, 2, 3}) EXPECT_EQ(targets_of(counting(size), 5, 8, ranks), expected);
  }
}

TEST(TokenEvaluation, HasTheSameNumberOfBatchesOnEveryRankEvenIfOneHasNoRows) {
  const TokenEvaluation evaluation(counting(8 * 5 + 2), 5, 8, {2, 3});
  ASSERT_EQ(evaluation.batches(), 2);
  EXPECT_EQ(evaluation.batch(1).global_rows, 1);
  EXPECT_EQ(evaluation.batch(1).inputs.size(0), 0);
}

TEST(TokenEvaluation, FillsTheLastWindowWithIgnoredTargets) {
  const Batch batch = TokenEvaluation(counting(11), 2, 8).batch(0);
  EXPECT_THAT(batch.targets.slice(0, 1, 2).to_vector<int32_t>(),
              ElementsAre(9, 10, -1, -1, -1, -1, -1, -1));
  EXPECT_THAT(batch.inputs.slice(0, 1, 2).to_vector<int32_t>(),
              ElementsAre(8, 9, 0, 0, 0, 0, 0, 0));
}

}  // namespace
}  // namespace ripieno::io
