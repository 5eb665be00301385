#include "ripieno/io/data/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/io/part.h"

namespace ripieno::io {
namespace {

std::vector<int64_t> epoch_of(const Sampler& sampler, int64_t epoch) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < sampler.size(); ++i) order.push_back(sampler.at(epoch, i));
  return order;
}

TEST(Sampler, VisitsEverySampleOncePerEpoch) {
  for (const int64_t size : {1, 2, 3, 4, 5, 16, 17, 31, 32, 33, 1001, 4097}) {
    std::vector<int64_t> order = epoch_of(Sampler(size, 7), 3);
    std::sort(order.begin(), order.end());
    std::vector<int64_t> all(static_cast<std::size_t>(size));
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(order, all) << "size " << size;
  }
}

TEST(Sampler, HasADifferentOrderForEachSeedAndEpoch) {
  const Sampler sampler(1001, 7);
  EXPECT_EQ(epoch_of(sampler, 0), epoch_of(Sampler(1001, 7), 0));
  EXPECT_NE(epoch_of(sampler, 0), epoch_of(sampler, 1));
  EXPECT_NE(epoch_of(sampler, 0), epoch_of(Sampler(1001, 8), 0));
}

TEST(Sampler, CountsEpochsByPosition) {
  const Sampler sampler(33, 7);
  EXPECT_EQ(sampler.at(33 * 2 + 5), sampler.at(2, 5));
}

// The mean distance of neighbors in a random order of n is (n + 1) / 3, with a standard deviation
// of n / sqrt(18 n).
TEST(Sampler, ScattersNeighborsLikeARandomOrder) {
  const int64_t size = 10'000;
  const std::vector<int64_t> order = epoch_of(Sampler(size, 1), 0);
  double distance = 0;
  for (std::size_t i = 1; i < order.size(); ++i) distance += std::abs(order[i] - order[i - 1]);
  EXPECT_NEAR(distance / (size - 1), (size + 1) / 3.0, 150);
}

TEST(Sampler, VisitsEverySampleFirstEquallyOften) {
  const int64_t size = 5, epochs = 5'000;
  const Sampler sampler(size, 1);
  std::vector<int> counts(size);
  for (int64_t epoch = 0; epoch < epochs; ++epoch) ++counts[sampler.at(epoch, 0)];
  for (const int count : counts)
    EXPECT_NEAR(count, epochs / size, 150);  // five standard deviations
}

TEST(Sampler, RejectsASizeOfZero) { EXPECT_THROW(Sampler(0, 1), Error); }

TEST(RandomIndex, IsUniformBelowItsBound) {
  std::vector<int> counts(10);
  for (int64_t position = 0; position < 10'000; ++position)
    ++counts.at(random_index(3, position, 10));
  for (const int count : counts) EXPECT_NEAR(count, 1'000, 150);
}

TEST(RandomIndex, SupportsBoundsAboveThirtyTwoBits) {
  const int64_t bound = int64_t{1} << 50;
  int64_t largest = 0;
  for (int64_t position = 0; position < 100; ++position) {
    largest = std::max(largest, random_index(3, position, bound));
  }
  EXPECT_GT(largest, bound / 2);
  EXPECT_LT(largest, bound);
}

TEST(Part, CoversAllRowsInOrderAndEvenly) {
  for (const int64_t rows : {0, 1, 3, 12, 13}) {
    for (const int size : {1, 2, 3, 5}) {
      int64_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const Rows mine = rows_of({rank, size}, rows);
        EXPECT_EQ(mine.begin, next);
        EXPECT_GE(mine.count(), rows / size);
        EXPECT_LE(mine.count(), rows / size + 1);
        next = mine.end;
      }
      EXPECT_EQ(next, rows);
    }
  }
}

TEST(Part, ASlotHasTheSameRowsForAnyNumberOfRanks) {
  for (const int64_t rows : {0, 3, 8, 13, 24}) {
    for (const int size : {1, 2, 3, 5, 8, 9}) {
      int64_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const Rows mine = rows_of({rank, size, 8}, rows);
        const Rows slots = piece_of(rank, size, 8);
        EXPECT_EQ(mine.begin, next);
        int64_t in_slots = 0;
        for (int64_t slot = slots.begin; slot < slots.end; ++slot) {
          in_slots += piece_of(slot, 8, rows).count();
        }
        EXPECT_EQ(mine.count(), in_slots);
        next = mine.end;
      }
      EXPECT_EQ(next, rows);
    }
  }
}

}  // namespace
}  // namespace ripieno::io
