#include "ripieno/distributed/gradients/bucket_size.h"

#include <gtest/gtest.h>

#include <atomic>

#include "distributed/counted.h"
#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"

namespace ripieno::distributed::testing {
namespace {

constexpr std::size_t kMebibyte = std::size_t{1} << 20;
constexpr std::size_t kMuch = 1000 * kMebibyte;

TEST(BucketSize, DependsOnTheLink) {
  EXPECT_EQ(bucket_bytes_for(10e9, kMuch), 25 * kMebibyte);
  EXPECT_EQ(bucket_bytes_for(1.25e9, kMuch), 25 * kMebibyte);
  EXPECT_EQ(bucket_bytes_for(1.24e9, kMuch), 4 * kMebibyte);
  EXPECT_EQ(bucket_bytes_for(125e6, kMuch), 4 * kMebibyte);
  EXPECT_EQ(bucket_bytes_for(12.5e6, kMuch), kMebibyte);
  EXPECT_EQ(bucket_bytes_for(0.0, kMuch), kMebibyte);
}

TEST(BucketSize, AllowsOverlapForASmallModel) {
  EXPECT_EQ(bucket_bytes_for(10e9, 40 * kMebibyte), 5 * kMebibyte);
  EXPECT_EQ(bucket_bytes_for(10e9, kMebibyte), kMebibyte);
}

TEST(BucketSize, IsTheSameOnEveryRank) {
  std::vector<BucketSize> sizes(3);
  on_every_rank(3, [&](Communicator& ranks) {
    sizes[static_cast<std::size_t>(ranks.rank())] =
        measured_bucket_size(ranks, kMuch, Device::cpu());
  });
  EXPECT_GT(sizes[0].link_bytes_per_s, 0.0);
  for (const BucketSize& size : sizes) {
    EXPECT_EQ(size.bytes, sizes[0].bytes);
    EXPECT_EQ(size.link_bytes_per_s, sizes[0].link_bytes_per_s);
  }
}

TEST(BucketSize, IsNotMeasuredIfOneBucketIsEnough) {
  Counts counts;
  on_every_rank(2, [&](Communicator& inner) {
    Counted ranks(inner, counts);
    EXPECT_EQ(measured_bucket_size(ranks, 1000, Device::cpu()).link_bytes_per_s, 0.0);
  });
  EXPECT_EQ(counts.all_reduces, 0);
}

TEST(BucketSize, ConfiguredSizeIsUsed) {
  on_every_rank(2, [&](Communicator& ranks) {
    nn::Mlp model({64, 64, 64});
    optim::AdamW optimizer(model.parameters());
    const DataParallel parallel(model, optimizer, ranks, {.bucket_bytes = 4096});
    EXPECT_EQ(parallel.bucket_size().bytes, 4096u);
    EXPECT_GT(parallel.buckets(), 1u);
  });
}

}  // namespace
}  // namespace ripieno::distributed::testing
