#include "ripieno/distributed/strategies/slot_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ripieno::distributed {
namespace {

using ::testing::ElementsAre;

// The tree as text, built by the additions in their order.
std::string tree_of(const std::vector<SlotRange>& nodes, int slots) {
  std::vector<std::string> sums;
  for (const auto& node : nodes) {
    sums.push_back(
        node.count() == 1
            ? std::to_string(node.begin)
            : tree_of({{node.begin, middle_of(node)}, {middle_of(node), node.end}}, slots));
  }
  for (const auto& [into, from] : additions_of(nodes, slots)) {
    sums[into] = "(" + sums[into] + " " + sums[from] + ")";
    sums[from] = "used";
  }
  return sums[0];
}

std::vector<SlotRange> nodes_of_ranks(int ranks, int slots) {
  std::vector<SlotRange> nodes;
  for (int rank = 0; rank < ranks; ++rank) {
    for (const auto& node : nodes_within(slots_of(rank, ranks, slots), slots)) {
      nodes.push_back(node);
    }
  }
  return nodes;
}

TEST(SlotTree, IsFixedByTheNumberOfSlots) {
  EXPECT_EQ(tree_of({{0, 8}}, 8), "(((0 1) (2 3)) ((4 5) (6 7)))");
  EXPECT_EQ(tree_of({{0, 3}}, 3), "((0 1) 2)");
  EXPECT_EQ(tree_of({{0, 6}}, 6), "(((0 1) (2 3)) (4 5))");
  EXPECT_EQ(tree_of({{0, 1}}, 1), "0");
}

TEST(SlotTree, IsTheSameOnAnyNumberOfRanks) {
  for (int slots = 1; slots <= 33; ++slots) {
    for (int ranks = 1; ranks <= slots; ++ranks) {
      EXPECT_EQ(tree_of(nodes_of_ranks(ranks, slots), slots), tree_of({{0, slots}}, slots))
          << slots << " slots on " << ranks << " ranks";
    }
  }
}

TEST(SlotTree, RanksCoverAllSlotsInOrder) {
  EXPECT_EQ(slots_of(0, 3, 8), (SlotRange{0, 3}));
  EXPECT_EQ(slots_of(1, 3, 8), (SlotRange{3, 6}));
  EXPECT_EQ(slots_of(2, 3, 8), (SlotRange{6, 8}));
}

TEST(SlotTree, ARankHoldsTheMaximalNodesOfItsSlots) {
  EXPECT_THAT(nodes_within({0, 3}, 8), ElementsAre(SlotRange{0, 2}, SlotRange{2, 3}));
  EXPECT_THAT(nodes_within({3, 6}, 8), ElementsAre(SlotRange{3, 4}, SlotRange{4, 6}));
  EXPECT_THAT(nodes_within({4, 8}, 8), ElementsAre(SlotRange{4, 8}));
  EXPECT_THAT(nodes_within({4, 5}, 5), ElementsAre(SlotRange{4, 5}));
}

TEST(SlotTree, EveryNodeIsOneOfItsParentsTwoChildren) {
  for (int slots = 2; slots <= 33; ++slots) {
    for (int slot = 0; slot < slots; ++slot) {
      for (SlotRange node{slot, slot + 1}; node != SlotRange{0, slots};) {
        const SlotRange parent = parent_of(node, slots);
        const int middle = middle_of(parent);
        EXPECT_TRUE(node == (SlotRange{parent.begin, middle}) ||
                    node == (SlotRange{middle, parent.end}));
        node = parent;
      }
    }
    EXPECT_EQ(parent_of({0, slots}, slots), (SlotRange{0, slots}));
  }
}

TEST(SlotTree, FewNodesWaitAtOnce) {
  EXPECT_EQ(most_nodes_at_once({0, 1}, 8), 0);
  EXPECT_EQ(most_nodes_at_once({0, 8}, 8), 3);
  EXPECT_EQ(most_nodes_at_once({0, 64}, 64), 6);
  EXPECT_EQ(most_nodes_at_once({1, 7}, 8), 3) << "1, (2 3), (4 5)";
}

}  // namespace
}  // namespace ripieno::distributed
