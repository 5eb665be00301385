#include "ripieno/core/arena/arena_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace ripieno {
namespace {

using ::testing::Each;

struct ArenaPartsTest : ::testing::Test {
  ArenaPartsTest() {
    auto layout = std::make_shared<ArenaLayout>();
    for (const char* name : {"a", "b", "c"})
      layout->add(name, {3, 31}, "unit");  // 93 of 128 elements
    arena.emplace(layout, DType::float32, Device::cpu());
    parts.emplace(*arena, std::vector<ElementRange>{{128, 384}, {0, 128}});
  }
  Tensor tensor(std::size_t i) const { return arena->tensors()[i]; }

  std::optional<Arena> arena;
  std::optional<ArenaParts> parts;
};

TEST_F(ArenaPartsTest, HaveMemoryFromFirstUseUntilTake) {
  EXPECT_EQ(parts->peak_size_bytes(), 0);
  tensor(2).fill(2.0);
  EXPECT_EQ(parts->peak_size_bytes(), 256 * 4);
  tensor(1).fill(1.0);
  EXPECT_EQ(parts->peak_size_bytes(), 256 * 4);
  const Tensor taken = parts->take(0);
  EXPECT_EQ(taken.elements(), 256);
  EXPECT_THAT(taken.slice(0, 0, 93).to_vector<float>(), Each(1.0f));
  EXPECT_THAT(taken.slice(0, 128, 221).to_vector<float>(), Each(2.0f));
  tensor(1).fill(3.0);  // in new memory
  EXPECT_THAT(taken.slice(0, 0, 93).to_vector<float>(), Each(1.0f));
  EXPECT_EQ(parts->peak_size_bytes(), 2 * 256 * 4);
}

TEST_F(ArenaPartsTest, HaveZeroPaddingBetweenTensors) {
  for (int round = 0; round < 3; ++round) {
    Tensor dirt = parts->take(0);  // returned to the pool, which may reuse it for the next
    dirt.fill(7.0);
    dirt = {};
    const Tensor taken = parts->take(0);
    EXPECT_THAT(taken.slice(0, 93, 128).to_vector<float>(), Each(0.0f));
    EXPECT_THAT(taken.slice(0, 221, 256).to_vector<float>(), Each(0.0f));
  }
}

TEST_F(ArenaPartsTest, ReturnTheTensorsToTheArenaWhenDestroyed) {
  tensor(0).fill(5.0);
  parts.reset();
  EXPECT_THAT(arena->flat().to_vector<float>(), Each(0.0f));
  tensor(0).fill(1.0);
  EXPECT_THAT(arena->range(0, 93).to_vector<float>(), Each(1.0f));
}

}  // namespace
}  // namespace ripieno
