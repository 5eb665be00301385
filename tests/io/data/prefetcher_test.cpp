#include "ripieno/io/data/prefetcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <semaphore>
#include <stdexcept>
#include <thread>

namespace ripieno::io {
namespace {

// A batch without tensors whose first_row is its position.
Batch numbered(int64_t position) { return {{}, {}, position, 0}; }

TEST(Prefetcher, ReturnsBatchesInOrder) {
  Prefetcher prefetcher(numbered, 4);
  for (int64_t position = 0; position < 400; position += 4) {
    EXPECT_EQ(prefetcher.position(), position);
    EXPECT_EQ(prefetcher.next().first_row, position);
  }
}

TEST(Prefetcher, ReturnsNoBatchPreparedBeforeASeek) {
  Prefetcher prefetcher(numbered, 1);
  for (int64_t target = 0; target < 500; ++target) {
    prefetcher.seek(target * 1'000);
    ASSERT_EQ(prefetcher.next().first_row, target * 1'000);
    ASSERT_EQ(prefetcher.next().first_row, target * 1'000 + 1);
  }
}

TEST(Prefetcher, DiscardsABatchStartedBeforeASeek) {
  std::binary_semaphore begun(0), resume(0);
  Prefetcher prefetcher(
      [&](int64_t position) {
        if (position == 0) {
          begun.release();
          resume.acquire();
        }
        return numbered(position);
      },
      1);
  begun.acquire();
  prefetcher.seek(100);
  resume.release();
  EXPECT_EQ(prefetcher.next().first_row, 100);
}

TEST(Prefetcher, PreparesAtMostTwoBatchesInAdvance) {
  std::atomic<int64_t> furthest = 0;
  Prefetcher prefetcher(
      [&](int64_t position) {
        furthest = position;
        return numbered(position);
      },
      1);
  for (int64_t taken = 1; taken <= 1'000; ++taken) {
    prefetcher.next();
    ASSERT_LE(furthest, taken + 1);
  }
}

TEST(Prefetcher, RethrowsAnErrorOfABatchAfterTheBatchesBeforeIt) {
  std::binary_semaphore failing(0);
  Prefetcher prefetcher(
      [&](int64_t position) {
        if (position != 1) return numbered(position);
        failing.release();
        throw std::runtime_error("damaged");
      },
      1);
  failing.acquire();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // most likely it has failed by then
  EXPECT_EQ(prefetcher.next().first_row, 0);
  EXPECT_THROW(prefetcher.next(), std::runtime_error);
  EXPECT_THROW(prefetcher.next(), std::runtime_error);
  prefetcher.seek(3);
  EXPECT_EQ(prefetcher.next().first_row, 3);
}

}  // namespace
}  // namespace ripieno::io
