#include "ripieno/distributed/gradients/buckets.h"

#include <gtest/gtest.h>

namespace ripieno::distributed {
namespace {

ArenaLayout layout_of(const std::vector<int64_t>& sizes) {
  ArenaLayout layout;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    layout.add("tensor" + std::to_string(i), {sizes[i]}, "unit");
  }
  return layout;
}

TEST(Buckets, CoverTheArenaOnceFromItsEnd) {
  const ArenaLayout layout = layout_of({1001, 1, 31, 640, 64, 5000, 33});
  for (const std::size_t bytes : {1u, 256u, 1000u, 4096u, 1u << 20}) {
    int64_t end = layout.elements();
    std::size_t entries_end = layout.entries().size();
    for (const Bucket& bucket : buckets_of(layout, 4, bytes)) {
      EXPECT_EQ(bucket.end, end);
      EXPECT_EQ(bucket.entries_end, entries_end);
      EXPECT_EQ(bucket.begin, layout.entries()[bucket.first_entry].offset);
      end = bucket.begin;
      entries_end = bucket.first_entry;
    }
    EXPECT_EQ(end, 0);
    EXPECT_EQ(entries_end, 0u);
  }
}

TEST(Buckets, HoldWholeTensorsUpToTheirSize) {
  const ArenaLayout layout = layout_of({64, 64, 64, 64, 64});
  const std::vector<Bucket> expected = {{192, 320, 3, 5}, {64, 192, 1, 3}, {0, 64, 0, 1}};
  EXPECT_EQ(buckets_of(layout, 4, 512), expected);
  EXPECT_EQ(buckets_of(layout, 2, 256), expected);
}

TEST(Buckets, ALargeTensorIsOneBucket) {
  const ArenaLayout layout = layout_of({64, 6400, 64});
  EXPECT_EQ(buckets_of(layout, 4, 256).size(), 3u);
}

TEST(Buckets, AreNamedByTheirTensors) {
  const ArenaLayout layout = layout_of({64, 64, 64});
  EXPECT_EQ(name_of({64, 192, 1, 3}, layout), "tensor1 to tensor2");
  EXPECT_EQ(name_of({0, 64, 0, 1}, layout), "tensor0");
}

TEST(Buckets, RunsAreTheTrainableRangesWithPadding) {
  ArenaLayout layout;
  for (const char* name : {"a", "b", "c", "d"}) layout.add(name, {10}, "unit");
  const Bucket all{0, layout.elements(), 0, 4};
  const auto runs = [&](std::vector<bool> trains) { return runs_of(all, layout, trains); };
  EXPECT_EQ(runs({true, true, true, true}), std::vector<Bucket>{all});
  EXPECT_TRUE(runs({false, false, false, false}).empty());
  EXPECT_EQ(runs({true, false, true, true}),
            (std::vector<Bucket>{{0, 64, 0, 1}, {128, layout.elements(), 2, 4}}));
  EXPECT_EQ(runs({false, true, true, false}), (std::vector<Bucket>{{64, 192, 1, 3}}));
}

TEST(Buckets, AreEmptyWithoutParameters) { EXPECT_TRUE(buckets_of(ArenaLayout(), 4, 256).empty()); }

}  // namespace
}  // namespace ripieno::distributed
