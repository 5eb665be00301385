// PairTable: finds the rule that merges two neighboring tokens. Not installed.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ripieno::io {

// A hash table with linear probing, at most half full.
class PairTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Rule {
    uint32_t rank = kNone;  // kNone: no rule
    uint32_t result = 0;
  };

  explicit PairTable(std::size_t most_pairs)
      : slots_(std::bit_ceil(2 * most_pairs + 2)), shift_(64 - std::countr_zero(slots_.size())) {}

  // Returns false, and changes nothing, if the pair has a rule already.
  bool insert(uint32_t left, uint32_t right, Rule rule) {
    Slot& slot = slots_[index_of(left, right)];
    if (slot.rule.rank != kNone) return false;
    slot = {left, right, rule};
    return true;
  }
  Rule find(uint32_t left, uint32_t right) const { return slots_[index_of(left, right)].rule; }

 private:
  struct Slot {
    uint32_t left = 0, right = 0;
    Rule rule;
  };
  // The slot of the pair, or the free one where it belongs.
  std::size_t index_of(uint32_t left, uint32_t right) const {
    const uint64_t key = uint64_t{left} << 32 | right;
    std::size_t index = (key * 0x9e3779b97f4a7c15u ^ key >> 29) * 0xd1342543de82ef95u >> shift_;
    while (slots_[index].rule.rank != kNone &&
           (slots_[index].left != left || slots_[index].right != right))
      index = (index + 1) & (slots_.size() - 1);
    return index;
  }

  std::vector<Slot> slots_;  // a power of two of them
  int shift_;
};

}  // namespace ripieno::io
