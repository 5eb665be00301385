#include "ripieno/distributed/strategies/slot_tree.h"

#include <algorithm>
#include <bit>

namespace ripieno::distributed {
namespace {

bool contains(SlotRange outer, SlotRange inner) {
  return outer.begin <= inner.begin && inner.end <= outer.end;
}

SlotRange left_of(SlotRange node) { return {node.begin, middle_of(node)}; }
SlotRange right_of(SlotRange node) { return {middle_of(node), node.end}; }

void collect(std::vector<SlotRange>& found, SlotRange node, SlotRange range) {
  if (node.end <= range.begin || range.end <= node.begin) return;
  if (contains(range, node)) return found.push_back(node);
  collect(found, left_of(node), range);
  collect(found, right_of(node), range);
}

// Appends the additions that sum the nodes below `root` into the first of them.
void append_additions(std::vector<Addition>& additions, const std::vector<SlotRange>& nodes,
                      SlotRange root) {
  if (std::find(nodes.begin(), nodes.end(), root) != nodes.end()) return;
  const auto starting_at = [&](int slot) {
    const auto found = std::find_if(nodes.begin(), nodes.end(),
                                    [&](const SlotRange& node) { return node.begin == slot; });
    return static_cast<std::size_t>(found - nodes.begin());
  };
  append_additions(additions, nodes, left_of(root));
  append_additions(additions, nodes, right_of(root));
  additions.push_back({starting_at(root.begin), starting_at(middle_of(root))});
}

}  // namespace

SlotRange slots_of(int rank, int ranks, int slots) {
  const int least = slots / ranks, larger = slots % ranks;
  const auto begin_of = [&](int r) { return r * least + std::min(r, larger); };
  return {begin_of(rank), begin_of(rank + 1)};
}

int middle_of(SlotRange node) {
  return node.begin + static_cast<int>(std::bit_floor(static_cast<unsigned>(node.count() - 1)));
}

SlotRange parent_of(SlotRange node, int slots) {
  SlotRange parent{0, slots};
  while (parent != node) {
    const SlotRange left = left_of(parent);
    const SlotRange child = contains(left, node) ? left : right_of(parent);
    if (child == node) break;
    parent = child;
  }
  return parent;
}

std::vector<SlotRange> nodes_within(SlotRange range, int slots) {
  std::vector<SlotRange> found;
  collect(found, {0, slots}, range);
  return found;
}

std::vector<Addition> additions_of(const std::vector<SlotRange>& nodes, int slots) {
  std::vector<Addition> additions;
  if (nodes.empty()) return additions;
  for (const SlotRange& root : nodes_within({nodes.front().begin, nodes.back().end}, slots)) {
    append_additions(additions, nodes, root);
  }
  return additions;
}

int most_nodes_at_once(SlotRange range, int slots) {
  std::size_t most = 0;
  for (int end = range.begin + 1; end < range.end; ++end) {
    most = std::max(most, nodes_within({range.begin, end}, slots).size());
  }
  return static_cast<int>(most);
}

}  // namespace ripieno::distributed
