// The tree in which strict mode adds up the slots of a batch: pure functions of the number of
// slots.
//
// A node covers neighbouring slots. Its left child takes the largest power of two of them that
// leaves some to the right one, so that the tree of 8 slots is ((0 1)(2 3))((4 5)(6 7)), and that
// of 3 is (0 1) 2.
#pragma once

#include <cstddef>
#include <vector>

namespace ripieno::distributed {

// Slots begin .. end - 1.
struct SlotRange {
  int begin = 0, end = 0;

  int count() const { return end - begin; }
  bool operator==(const SlotRange&) const = default;
};

// The slots that are a rank's: the ranks cover all of them in rank order, and their numbers differ
// by one at most. As io::rows_of shares out rows.
SlotRange slots_of(int rank, int ranks, int slots);

// The first slot of a node's right child; the node covers two slots or more.
int middle_of(SlotRange node);
// The node that `node` is a child of; the tree's root is its own.
SlotRange parent_of(SlotRange node, int slots);
// The largest nodes that lie within `range`: what a rank can add up alone.
std::vector<SlotRange> nodes_within(SlotRange range, int slots);

// One addition: what stands at `into` becomes the sum of itself and what stands at `from`.
struct Addition {
  std::size_t into = 0, from = 0;

  bool operator==(const Addition&) const = default;
};
// Adds up all that `nodes`, which follow each other, cover of the tree, as far as they reach: the
// sum stands at the first of each of nodes_within(what they cover).
std::vector<Addition> additions_of(const std::vector<SlotRange>& nodes, int slots);

// How many nodes wait for others at most, while the slots of `range` come one after the other and
// all that can be added is.
int most_nodes_at_once(SlotRange range, int slots);

}  // namespace ripieno::distributed
