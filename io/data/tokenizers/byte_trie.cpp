#include "ripieno/io/data/tokenizers/byte_trie.h"

#include <algorithm>

namespace ripieno::io {

ByteTrie::ByteTrie(std::vector<Entry> entries) : nodes_(256) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& left, const Entry& right) { return left.bytes < right.bytes; });
  std::vector<Range> ranges;
  if (!entries.empty()) ranges.push_back({0, entries.size(), 0, 0});
  std::vector<uint8_t> bytes;
  while (!ranges.empty()) {
    Range range = ranges.back();
    ranges.pop_back();
    if (entries[range.begin].bytes.size() == range.depth)
      nodes_[range.node].value = entries[range.begin++].value;
    if (range.begin == range.end) continue;
    const auto byte_of = [&](std::size_t entry) {
      return static_cast<uint8_t>(entries[entry].bytes[range.depth]);
    };
    bytes.clear();
    for (std::size_t i = range.begin; i < range.end; ++i) {
      if (bytes.empty() || bytes.back() != byte_of(i)) bytes.push_back(byte_of(i));
    }
    const uint32_t base = place(bytes);
    nodes_[range.node].base = base;
    for (const uint8_t byte : bytes) nodes_[base ^ byte].parent = range.node;
    for (std::size_t begin = range.begin, end = begin; begin < range.end; begin = end) {
      while (end < range.end && byte_of(end) == byte_of(begin)) ++end;
      ranges.push_back({begin, end, range.depth + 1, base ^ byte_of(begin)});
    }
  }
}

// A base whose children for these bytes are all unused.
uint32_t ByteTrie::place(std::span<const uint8_t> bytes) {
  // A full search would find a denser array, but takes quadratic time.
  constexpr int kMostTries = 200;
  while (lowest_free_ < nodes_.size() && nodes_[lowest_free_].parent != kNone) ++lowest_free_;
  int tries = 0;
  for (uint32_t at = lowest_free_; at < nodes_.size() && tries < kMostTries; ++at) {
    if (nodes_[at].parent != kNone) continue;
    ++tries;
    const uint32_t base = at ^ bytes.front();
    if (fits(base, bytes)) return base;
  }
  if (tries == kMostTries) lowest_free_ += kMostTries / 8;
  const auto base = static_cast<uint32_t>(nodes_.size());  // a multiple of 256
  nodes_.resize(nodes_.size() + 256);
  return base;
}

bool ByteTrie::fits(uint32_t base, std::span<const uint8_t> bytes) const {
  return std::all_of(bytes.begin(), bytes.end(), [&](uint8_t byte) {
    const uint32_t node = base ^ byte;
    return node != 0 && nodes_[node].parent == kNone;
  });
}

}  // namespace ripieno::io
