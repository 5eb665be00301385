// Compares the memory report with the memory resource's count and the formulas of ZeRO.
#include "ripieno/distributed/strategies/memory_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"
#include "ripieno/core/device/stream.h"

namespace ripieno::distributed::testing {
namespace {

using ::testing::HasSubstr;

class Counting final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes) override {
    held += static_cast<int64_t>(bytes);
    return pool(Device::cpu()).allocate(bytes);
  }
  void deallocate(void* memory, std::size_t bytes) noexcept override {
    held -= static_cast<int64_t>(bytes);
    pool(Device::cpu()).deallocate(memory, bytes);
  }
  std::atomic<int64_t> held = 0;
};

struct Kept {
  double allocated = 0;  // bytes per parameter, after a few steps
  double reported = 0;   // by memory_report(), before the steps
  int64_t transient = 0;
  int64_t gradients = 0;  // of the whole model
};

// The memory of the rank that uses the most.
Kept kept_by(int size, Shard shard, DType precision, bool overlap = true) {
  std::vector<Kept> kept(static_cast<std::size_t>(size));
  on_every_rank(size, [&](Communicator& ranks) {
    Counting memory;
    nn::Mlp model({100, 320, 320, 320, 320, 10});
    model.to(Device::cpu(), precision);
    const Parameters parameters = model.parameters();
    parameters.place_in(&memory);
    optim::AdamW optimizer(parameters);
    DataParallel parallel(model, optimizer, ranks,
                          {.shard = shard, .bucket_bytes = 100'000, .overlap = overlap});
    Kept& mine = kept[static_cast<std::size_t>(ranks.rank())];
    const MemoryReport before = parallel.memory_report();
    mine.reported = before.per_parameter(before.persistent_bytes());
    for (int step = 0; step < 2; ++step) {
      const Tensor x = Tensor::full({4, 100}, 0.1).to(precision);
      parallel.backward(model.loss(x, Tensor::of<int32_t>({4}, {1, 2, 3, 4})));
      parallel.step();
    }
    mine.allocated = before.per_parameter(memory.held);
    mine.gradients = parameters.elements() * static_cast<int64_t>(size_of(precision));
    for (const auto& line : parallel.memory_report().lines)
      mine.transient += line.is_transient ? line.bytes : 0;
  });
  return *std::max_element(kept.begin(), kept.end(),
                           [](const Kept& a, const Kept& b) { return a.allocated < b.allocated; });
}

double bytes_of_zero(int ranks, Shard shard, DType precision) {
  const bool narrow = precision == DType::bfloat16;
  if (ranks == 1 || shard == Shard::none) return 16.0;
  if (shard == Shard::optimizer) return narrow ? 4.0 + 12.0 / ranks : 8.0 + 8.0 / ranks;
  return narrow ? 2.0 + 14.0 / ranks : 4.0 + 12.0 / ranks;
}

TEST(MemoryReport, MatchesAllocatedMemoryAndShrinksWithTheNumberOfRanks) {
  for (const DType precision : {DType::float32, DType::bfloat16}) {
    for (const Shard shard : {Shard::none, Shard::optimizer, Shard::gradients}) {
      for (const int ranks : {1, 2, 3, 4}) {
        const Kept kept = kept_by(ranks, shard, precision);
        const double expected = bytes_of_zero(ranks, shard, precision);
        EXPECT_NEAR(kept.allocated / expected, 1.0, 0.01)
            << name_of(precision) << ", shard " << static_cast<int>(shard) << ", " << ranks;
        EXPECT_DOUBLE_EQ(kept.reported, kept.allocated);
      }
    }
  }
}

// Without a background thread, backward sums each bucket before it computes the next one.
TEST(MemoryReport, ShardedGradientsAreNeverAllAllocatedAtOnce) {
  const Kept kept = kept_by(4, Shard::gradients, DType::float32, /*overlap=*/false);
  EXPECT_LT(kept.transient, kept.gradients);
}

TEST(MemoryReport, HasALineForTransientBuffers) {
  const Kept kept = kept_by(4, Shard::gradients, DType::float32);
  EXPECT_GT(kept.transient, 0);
  EXPECT_EQ(kept_by(4, Shard::optimizer, DType::float32).transient, 0) << "parts are equal";
  EXPECT_GT(kept_by(3, Shard::optimizer, DType::float32).transient, 0) << "a bucket is padded";
  const MemoryReport report{
      .parameters = 1 << 20,
      .lines = {{"parameters", 4 << 20}, {"buckets in flight", 1 << 20, true}}};
  EXPECT_EQ(report.persistent_bytes(), 4 << 20);
  EXPECT_THAT(to_string(report), HasSubstr("temporary: buckets in flight"));
}

}  // namespace
}  // namespace ripieno::distributed::testing
