#include "ripieno/core/device/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/core/tensor.h"

namespace ripieno {
namespace {

// Counts the bytes that a pool holds.
class Counting final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes) override {
    held += static_cast<int64_t>(bytes);
    return std::malloc(bytes);
  }
  void deallocate(void* memory, std::size_t bytes) noexcept override {
    held -= static_cast<int64_t>(bytes);
    std::free(memory);
  }
  int64_t held = 0;
};

class PoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* setting = std::getenv("RIPIENO_POOL");
    if (setting != nullptr) GTEST_SKIP() << "RIPIENO_POOL is set";
  }
};

TEST_F(PoolTest, ReusesAFreedBlock) {
  Counting upstream;
  Pool pool(upstream);
  void* first = pool.allocate(1000);
  pool.deallocate(first, 1000);
  EXPECT_EQ(pool.allocate(1001), first);  // of the same size class
  EXPECT_EQ(pool.statistics().upstream_allocations, 1);
  pool.deallocate(first, 1001);
}

TEST_F(PoolTest, ReusesBlocksWhateverOrderTheyWereFreedIn) {
  Counting upstream;
  Pool pool(upstream);
  void* first = pool.allocate(1000);
  void* second = pool.allocate(1000);
  for (void* freed_last : {first, second}) {
    pool.deallocate(freed_last == first ? second : first, 1000);
    pool.deallocate(freed_last, 1000);
    EXPECT_EQ(pool.allocate(1000), std::min(first, second));
    EXPECT_EQ(pool.allocate(1000), std::max(first, second));
  }
}

TEST_F(PoolTest, WastesAtMostAFifth) {
  Counting upstream;
  Pool pool(upstream);
  for (std::size_t bytes = 65; bytes < 3'000'000; bytes = bytes * 9 / 8 + 1) {
    const int64_t before = upstream.held;
    pool.allocate(bytes);
    const auto taken = static_cast<double>(upstream.held - before);
    EXPECT_GE(taken, static_cast<double>(bytes));
    EXPECT_LE(taken, 1.25 * static_cast<double>(bytes) + 16) << bytes;
  }
}

// Has a limited number of bytes.
class Limited final : public MemoryResource {
 public:
  explicit Limited(std::size_t bytes) : left(bytes) {}
  void* allocate(std::size_t bytes) override {
    if (bytes > left) throw OutOfMemory("out of memory");
    left -= bytes;
    return std::malloc(bytes);
  }
  void deallocate(void* memory, std::size_t bytes) noexcept override {
    left += bytes;
    std::free(memory);
  }
  std::size_t left;
};

TEST_F(PoolTest, FreesUnusedBlocksBeforeItReportsOutOfMemory) {
  Limited upstream(1 << 20);
  Pool pool(upstream);
  pool.deallocate(pool.allocate(600'000), 600'000);
  void* const larger = pool.allocate(900'000);
  EXPECT_NE(larger, nullptr);
  EXPECT_THROW(pool.allocate(200'000), OutOfMemory);
  pool.deallocate(larger, 900'000);
}

TEST_F(PoolTest, TrimFreesUnusedBlocks) {
  Counting upstream;
  Pool pool(upstream);
  void* kept = pool.allocate(100);
  pool.deallocate(pool.allocate(5000), 5000);
  pool.trim();
  EXPECT_EQ(upstream.held, pool.statistics().bytes_in_use);
  pool.deallocate(kept, 100);
  pool.trim();
  EXPECT_EQ(upstream.held, 0);
}

TEST_F(PoolTest, TrimFreesNothingWhileAKeepExists) {
  Counting upstream;
  Pool pool(upstream);
  pool.deallocate(pool.allocate(5000), 5000);
  {
    const Pool::Keep keep(pool);
    pool.trim();
    EXPECT_GT(upstream.held, 0);
    EXPECT_EQ(pool.statistics().trims, 0);
  }
  pool.trim();
  EXPECT_EQ(upstream.held, 0);
  EXPECT_EQ(pool.statistics().trims, 1);
  pool.trim();
  EXPECT_EQ(pool.statistics().trims, 1) << "there was nothing to free";
}

TEST_F(PoolTest, IsThreadSafe) {
  Counting upstream;
  Pool pool(upstream);
  {
    const auto work = [&pool] {
      for (std::size_t i = 1; i < 2000; ++i) {
        auto* block = static_cast<unsigned char*>(pool.allocate(i));
        block[0] = block[i - 1] = 1;
        pool.deallocate(block, i);
      }
    };
    std::jthread a(work), b(work);
  }
  EXPECT_EQ(pool.statistics().bytes_in_use, 0);
}

TEST(Memory, OfTensorsIsAligned) {
  for (const int64_t size : {1, 3, 1000, 1 << 20}) {
    const Tensor x({size});
    EXPECT_EQ(reinterpret_cast<uintptr_t>(x.raw_data()) % kMemoryAlignment, 0u);
  }
}

}  // namespace
}  // namespace ripieno
