// The binary tree in which strict mode sums the slots of a batch: pure functions of the number of
// slots.
//
// A node covers consecutive slots. Its left child covers the largest power of two of them that
// leaves at least one for the right child: 8 slots are summed as ((0 1)(2 3))((4 5)(6 7)), 3 slots
// as (0 1) 2.
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

// The slots of a rank. The ranks' slots follow each other in rank order; their numbers differ by at
// most one. The same distribution as that of rows by io::rows_of.
SlotRange slots_of(int rank, int ranks, int slots);

// The first slot of a node's right child. The node must cover at least two slots.
int middle_of(SlotRange node);
// The parent of `node`; for the root, the root itself.
SlotRange parent_of(SlotRange node, int slots);
// The maximal nodes within `range`, in order: what a rank can sum without communication.
std::vector<SlotRange> nodes_within(SlotRange range, int slots);

// One addition: value[into] += value[from].
struct Addition {
  std::size_t into = 0, from = 0;

  bool operator==(const Addition&) const = default;
};
// The additions, in order, that sum `nodes`, which are consecutive, into the maximal nodes within
// the range that they cover (nodes_within). Indices are positions in `nodes`; the sum of each
// maximal node is left at the position of its first.
std::vector<Addition> additions_of(const std::vector<SlotRange>& nodes, int slots);

// The maximum number of nodes that wait for their sibling if the slots of `range` are computed in
// order and siblings are added as soon as both exist.
int most_nodes_at_once(SlotRange range, int slots);

}  // namespace ripieno::distributed
