// PairTable: finds the rule that merges two neighboring tokens. Not installed.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ripieno::io {

// A hash table with linear probing, at most half full. Most lookups find nothing, and a filter that
// fits into a cache answers nearly all of those.
class PairTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Rule {
    uint32_t rank = kNone;  // kNone: no rule
    uint32_t result = 0;
  };

  explicit PairTable(std::size_t most_pairs)
      : slots_(std::bit_ceil(2 * most_pairs + 2)),
        shift_(64 - std::countr_zero(slots_.size())),
        filter_(std::max<std::size_t>(slots_.size() * 8 / kWordBits, 1)) {}

  // Returns false, and changes nothing, if the pair has a rule already.
  bool insert(uint32_t left, uint32_t right, Rule rule) {
    const uint64_t hash = hash_of(left, right);
    Slot& slot = slots_[index_of(left, right, hash)];
    if (slot.rule.rank != kNone) return false;
    slot = {left, right, rule};
    filter_[word_of(hash)] |= uint64_t{1} << hash % kWordBits;
    return true;
  }
  Rule find(uint32_t left, uint32_t right) const {
    const uint64_t hash = hash_of(left, right);
    if (!(filter_[word_of(hash)] >> hash % kWordBits & 1)) return {};
    return slots_[index_of(left, right, hash)].rule;
  }

 private:
  struct Slot {
    uint32_t left = 0, right = 0;
    Rule rule;
  };
  static uint64_t hash_of(uint32_t left, uint32_t right) {
    const uint64_t key = uint64_t{left} << 32 | right;
    const uint64_t mixed = (key ^ key >> 29) * 0x9e3779b97f4a7c15u;
    return mixed ^ mixed >> 32;
  }
  std::size_t word_of(uint64_t hash) const { return hash / kWordBits & (filter_.size() - 1); }
  // The slot of the pair, or the free one where it belongs.
  std::size_t index_of(uint32_t left, uint32_t right, uint64_t hash) const {
    std::size_t index = hash * 0xd1342543de82ef95u >> shift_;
    while (slots_[index].rule.rank != kNone &&
           (slots_[index].left != left || slots_[index].right != right))
      index = (index + 1) & (slots_.size() - 1);
    return index;
  }

  static constexpr std::size_t kWordBits = 64;
  std::vector<Slot> slots_;  // a power of two of them
  int shift_;
  std::vector<uint64_t> filter_;  // a bit for the hash of each pair; a power of two of words
};

}  // namespace ripieno::io
